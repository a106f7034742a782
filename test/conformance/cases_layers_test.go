package conformance_test

import "strings"

func layerCases() []derived {
	cases := []derived{
		{suite: api, name: "TestLambdaLayer::test_layer_exceptions", steps: layerRefusals},
		{suite: api, name: "TestLambdaLayer::test_layer_function_exceptions", steps: layerOfFunctionRefusals},
		{suite: api, name: "TestLambdaLayer::test_layer_policy_exceptions", steps: layerPolicyRefusals},
		{suite: api, name: "TestLambdaLayer::test_layer_policy_lifecycle", steps: layerPolicy},
	}
	// The lists are read off the answers, which have them in the order of the input.
	for i, runtimes := range []string{
		"nodejs24.x nodejs22.x nodejs20.x nodejs18.x nodejs16.x nodejs14.x nodejs12.x python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python3.7",
		"java25 java21 java17 java11 java8.al2 java8 dotnet10 dotnet8 dotnet6 dotnetcore3.1 go1.x ruby3.4 ruby3.3 ruby3.2 ruby2.7",
		"provided.al2023 provided.al2 provided",
	} {
		cases = append(cases, derived{
			suite: api, name: "TestLambdaLayer::test_layer_compatibilities[runtimes" + string(rune('0'+i)) + "]",
			steps: func(r *run) {
				r.publishLayer("publish_result", m{"CompatibleRuntimes": strings.Fields(runtimes), "CompatibleArchitectures": []any{"arm64", "x86_64"}})
			},
		})
	}
	return cases
}

// publishLayer makes a version of the case's layer, which has the name that its
// function would have.
func (r *run) publishLayer(name string, over m) m {
	return r.call(name, "PublishLayerVersion", with(m{"LayerName": r.fn, "Content": m{"ZipFile": pack("layer.txt", "a layer\n")}}, over))
}

// pythonLayer is compatible with what most functions here are.
var pythonLayer = m{"CompatibleRuntimes": []any{"python3.12"}, "CompatibleArchitectures": []any{"x86_64"}}

func layerARN(name, version string) string {
	return strings.TrimSuffix("arn:aws:lambda:"+region+":"+account+":layer:"+name+":"+version, ":")
}

func layerRefusals(r *run) {
	r.bind("<resource:1>", r.fn)
	r.publishLayer("publish_result", pythonLayer)
	r.publishLayer("publish_empty_result", m{"LayerName": r.fn + "-2", "CompatibleRuntimes": []any{}, "CompatibleArchitectures": []any{}})
	r.publishLayer("publish_layer_version_exc_invalid_runtime_arch", m{
		"CompatibleRuntimes": []any{"invalidruntime"}, "CompatibleArchitectures": []any{"invalidarch"},
	})
	r.publishLayer("publish_layer_version_exc_partially_invalid_values", m{
		"CompatibleRuntimes": []any{"invalidruntime", "invalidruntime2", "nodejs20.x"}, "CompatibleArchitectures": []any{"invalidarch", "x86_64"},
	})
	away := r.fn + "-doesnotexist"
	r.call("list_nonexistent_layer", "ListLayerVersions", m{"LayerName": away})
	r.call("list_layers_exc_compatibleruntime_invalid", "ListLayers", m{"CompatibleRuntime": "runtimedoesnotexist"})
	r.call("list_layers_exc_compatiblearchitecture_invalid", "ListLayers", m{"CompatibleArchitecture": "archdoesnotexist"})
	version := func(name, operation, layer string, number int) {
		r.call(name, operation, m{"LayerName": layer, "VersionNumber": number})
	}
	version("get_layer_version_exc_layer_doesnotexist", "GetLayerVersion", away, 1)
	version("get_layer_version_exc_layer_version_doesnotexist_negative", "GetLayerVersion", r.fn, -1)
	version("get_layer_version_exc_layer_version_doesnotexist_zero", "GetLayerVersion", r.fn, 0)
	version("get_layer_version_exc_layer_version_doesnotexist_2", "GetLayerVersion", r.fn, 2)
	r.call("get_layer_version_by_arn_exc_invalidarn", "GetLayerVersionByArn", m{"Arn": layerARN(r.fn, "")})
	r.call("get_layer_version_by_arn_exc_nonexistentversion", "GetLayerVersionByArn", m{"Arn": layerARN(r.fn, "2")})
	version("delete_nonexistent_response", "DeleteLayerVersion", away, 1)
	version("delete_nonexistent_version_response", "DeleteLayerVersion", r.fn, 2)
	version("delete_layer_version_exc_layerversion_invalid_version", "DeleteLayerVersion", r.fn, -1)
	version("delete_layer_response", "DeleteLayerVersion", r.fn, 1)
	version("delete_layer_again_response", "DeleteLayerVersion", r.fn, 1)
}

func layerOfFunctionRefusals(r *run) {
	r.createUsual("", nil)
	// The recorded layer says that it is compatible with no runtime.
	compatible := m{"CompatibleRuntimes": []any{}, "CompatibleArchitectures": []any{"x86_64"}}
	for _, name := range []string{"publish_result", "publish_result_2", "publish_result_3"} {
		r.publishLayer(name, compatible)
	}
	attach := func(name string, layers ...any) {
		r.call(name, "UpdateFunctionConfiguration", m{"FunctionName": r.fn, "Layers": layers})
	}
	one, two, three := layerARN(r.fn, "1"), layerARN(r.fn, "2"), layerARN(r.fn, "3")
	attach("two_layer_versions_single_function_exc", one, two)
	attach("three_layer_versions_single_function_exc", one, two, three)
	attach("two_identical_layer_versions_single_function_exc", one, one)
	attach("add_nonexistent_layer_exc", layerARN("doesnotexist", "1"))
	attach("add_nonexistent_layer_version_exc", layerARN(r.fn, "9"))
	attach("add_layer_arn_without_version_exc", layerARN(r.fn, ""))
	r.call("create_function_with_layer_in_different_region", "CreateFunction", r.usual(m{
		"FunctionName": r.fn + "-2", "Layers": []any{strings.Replace(one, region, awayRegion, 1)},
	}))
	r.call("get_fn_result", "GetFunction", m{"FunctionName": r.fn})
}

// publicStatement lets everyone read a version of the case's layer.
func (r *run) publicStatement(id string) m {
	return m{"LayerName": r.fn, "VersionNumber": 1, "StatementId": id, "Action": "lambda:GetLayerVersion", "Principal": "*"}
}

func layerPolicyRefusals(r *run) {
	r.bind("<resource:1>", r.fn)
	r.publishLayer("publish_result", pythonLayer)
	version := m{"LayerName": r.fn, "VersionNumber": 1}
	r.call("layer_permission_nopolicy_get", "GetLayerVersionPolicy", version)
	add := func(name string, over m) {
		r.call(name, "AddLayerVersionPermission", with(r.publicStatement("s1"), over))
	}
	remove := func(name, id string, over m) {
		r.call(name, "RemoveLayerVersionPermission", with(with(version, m{"StatementId": id}), over))
	}
	add("add_layer_permission_result", nil)
	add("layer_permission_action_invalid", m{"StatementId": "s2", "Action": "*"})
	add("layer_permission_duplicate_statement", nil)
	add("layer_permission_wrong_revision", m{"StatementId": "s2", "RevisionId": "wrong"})
	remove("layer_permission_statementid_doesnotexist_remove", "doesnotexist", nil)
	remove("layer_permission_wrong_revision_remove", "s1", m{"RevisionId": "wrong"})
	for what, over := range map[string]m{
		"layername": {"LayerName": r.fn + "-doesnotexist"}, "layerversion": {"VersionNumber": 2},
	} {
		add("layer_permission_"+what+"_doesnotexist_add", over)
		r.call("layer_permission_"+what+"_doesnotexist_get", "GetLayerVersionPolicy", with(version, over))
		remove("layer_permission_"+what+"_doesnotexist_remove", "s1", over)
	}
}

func layerPolicy(r *run) {
	r.publishLayer("publish_result", pythonLayer)
	version := m{"LayerName": r.fn, "VersionNumber": 1}
	r.call("add_policy_s1", "AddLayerVersionPermission", r.publicStatement("s1"))
	r.call("get_layer_version_policy", "GetLayerVersionPolicy", version)
	r.call("add_policy_s2", "AddLayerVersionPermission", r.publicStatement("s2"))
	r.call("get_layer_version_policy_postadd2", "GetLayerVersionPolicy", version)
	r.call("remove_s2", "RemoveLayerVersionPermission", with(version, m{"StatementId": "s2"}))
	r.call("get_layer_version_policy_postdeletes2", "GetLayerVersionPolicy", version)
}
