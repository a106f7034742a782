package conformance_test

import "strings"

const awayRegion = "us-west-2"

func functionCases() []derived {
	cases := []derived{
		{suite: api, name: "TestLambdaFunction::test_create_lambda_exceptions", steps: createRefusals},
		{suite: api, name: "TestLambdaFunction::test_update_lambda_exceptions", steps: updateRefusals},
		{suite: api, name: "TestLambdaFunction::test_delete_on_nonexisting_version", steps: func(r *run) {
			r.call("delete_function_response_non_existent", "DeleteFunction", m{"FunctionName": r.fn})
			r.call("delete_function_response_non_existent_with_qualifier", "DeleteFunction", m{"FunctionName": r.fn, "Qualifier": "1"})
		}},
		{suite: api, name: "TestLambdaFunction::test_invalid_invoke", steps: func(r *run) {
			r.call("invoke_function_name_pattern_exc", "Invoke", m{"FunctionName": "arn:aws:lambda:" + region + ":123400000000@function:myfn"})
		}},
		{suite: api, name: "TestLambdaFunction::test_lambda_code_location_zipfile", steps: codeLocation},
		{suite: api, name: "TestLambdaFunction::test_lambda_concurrent_config_updates", steps: func(r *run) {
			r.createUsual("create-function-response", nil)
			function := m{"FunctionName": r.fn}
			r.call("", "UpdateFunctionConfiguration", with(function, m{"Description": "first"}))
			r.call("update-during-in-progress-update-exc", "UpdateFunctionConfiguration", with(function, m{"Description": "again"}))
			r.settle(r.fn)
		}},
		{suite: api, name: "TestLambdaFunction::test_vpc_config", steps: networkConfig},
		{suite: api, name: "TestLambdaFunction::test_invalid_vpc_config_security_group", steps: func(r *run) {
			refuseNetwork(r, "create-response-non-existent-security-group", "subnet-12345678", "sg-12345678")
			refuseNetwork(r, "create-response-invalid-format-security-group", "subnet-12345678", "bad-format-sg-123")
		}},
		{suite: api, name: "TestLambdaFunction::test_invalid_vpc_config_subnet", steps: func(r *run) {
			refuseNetwork(r, "create-response-non-existent-subnet-id", "subnet-12345678", "sg-12345678")
			refuseNetwork(r, "create-response-invalid-format-subnet-id", "bad-format-12345678", "sg-12345678")
		}},
	}
	cases = append(cases, each(api, "TestLambdaFunction::test_get_function_wrong_region", func(r *run) {
		name := strings.Replace(r.arn(), region, awayRegion, 1)
		r.bind("<wrong-region>", awayRegion)
		r.call("wrong_region_exception", operation(r.param), m{"FunctionName": name})
	}, "delete_function", "get_function", "get_function_code_signing_config", "get_function_concurrency",
		"get_function_configuration", "get_function_event_invoke_config", "get_function_url_config", "invoke")...)
	cases = append(cases, each(api, "TestLambdaFunction::test_ops_on_nonexisting_fn", func(r *run) {
		r.call("not_found_exception", operation(r.param), m{"FunctionName": r.fn})
	}, "delete_function", "get_function", "get_function_code_signing_config", "get_function_concurrency",
		"get_function_configuration", "get_function_event_invoke_config", "get_function_url_config")...)
	cases = append(cases, each(api, "TestLambdaFunction::test_ops_on_nonexisting_version", func(r *run) {
		r.createUsual("", nil)
		r.call("version_not_found_exception", operation(r.param), m{"FunctionName": r.fn, "Qualifier": "1221"})
	}, "get_function", "get_function_configuration", "get_function_event_invoke_config")...)
	cases = append(cases, each(api, "TestLambdaFunction::test_ops_with_arn_qualifier_mismatch", func(r *run) {
		name := functionARN("some-function", "$LATEST")
		r.call("not_match_exception", operation(r.param), m{"FunctionName": name, "Qualifier": "1"})
		r.call("match_exception", operation(r.param), m{"FunctionName": name, "Qualifier": "$LATEST"})
	}, "delete_function", "get_function", "get_function_configuration")...)
	return append(cases, each(api, "TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled", func(r *run) {
		r.call("deprecation_error", "CreateFunction", r.least(m{"Runtime": r.param}))
	}, "dotnetcore3.1", "go1.x", "java8", "nodejs12.x", "nodejs14.x", "provided", "python3.7", "ruby2.7")...)
}

func createRefusals(r *run) {
	refuse := func(name string, over m) { r.call(name, "CreateFunction", r.least(over)) }
	refuse("invalid_role_arn_exc", m{"Role": "r1"})
	refuse("invalid_runtime_exc", m{"Runtime": "non-existent-runtime"})
	refuse("uppercase_runtime_exc", m{"Runtime": "PYTHON3.9"})
	refuse("empty_architectures", m{"Architectures": []any{}})
	refuse("multiple_architectures", m{"Architectures": []any{"x86_64", "arm64"}})
	refuse("uppercase_architecture", m{"Architectures": []any{"X86_64"}})
	refuse("invalid_zip_exc", m{"Code": m{"ZipFile": blob([]byte("this is not a zip file"))}})
}

func updateRefusals(r *run) {
	r.createUsual("", nil)
	refuse := func(name string, over m) {
		r.call(name, "UpdateFunctionConfiguration", with(m{"FunctionName": r.fn}, over))
	}
	refuse("invalid_role_arn_exc", m{"Role": "r1"})
	refuse("invalid_runtime_exc", m{"Runtime": "non-existent-runtime"})
	refuse("uppercase_runtime_exc", m{"Runtime": "PYTHON3.9"})
}

func codeLocation(r *run) {
	r.create("create-response-zip-file", nil)
	r.call("get-function-response", "GetFunction", m{"FunctionName": r.fn})
	r.call("update-function-response", "UpdateFunctionCode", m{"FunctionName": r.fn, "ZipFile": pack("index.py", echoPython+"# 2\n")})
	r.call("get-function-response-updated", "GetFunction", m{"FunctionName": r.fn})
	r.settle(r.fn)
}

func network(subnet, group string) m {
	return m{"SubnetIds": []any{subnet}, "SecurityGroupIds": []any{group}}
}

func refuseNetwork(r *run, name, subnet, group string) {
	r.call(name, "CreateFunction", r.usual(m{"VpcConfig": network(subnet, group)}))
}

func networkConfig(r *run) {
	r.createUsual("create_response", m{"MemorySize": 256, "Timeout": 5, "VpcConfig": network("subnet-1", "sg-1")})
	function := m{"FunctionName": r.fn}
	r.call("get_function_response", "GetFunction", function)
	for _, step := range []struct {
		name   string
		config m
	}{
		{"update_vpcconfig", network("subnet-2", "sg-2")},
		{"delete_vpcconfig", m{"SubnetIds": []any{}, "SecurityGroupIds": []any{}}},
	} {
		r.call(step.name+"_update_response", "UpdateFunctionConfiguration", with(function, m{"VpcConfig": step.config}))
		r.settle(r.fn)
		r.call(step.name+"_get_function_response", "GetFunction", function)
	}
}
