package conformance_test

func versionCases() []derived {
	return []derived{
		{suite: api, name: "TestLambdaVersions::test_publish_version_on_create", steps: publishOnCreate},
		{suite: api, name: "TestLambdaVersions::test_publish_with_update", steps: publishWithUpdate},
		{suite: api, name: "TestLambdaVersions::test_publish_with_wrong_sha256", steps: func(r *run) {
			r.create("create_response", nil)
			r.call("get_fn_response", "GetFunction", m{"FunctionName": r.fn})
			r.call("publish_wrong_sha256_exc", "PublishVersion", m{"FunctionName": r.fn, "CodeSha256": "somenonexistentsha256"})
			current := r.settle(r.fn)["CodeSha256"]
			r.call("publish_result", "PublishVersion", m{"FunctionName": r.fn, "CodeSha256": current})
		}},
		{suite: api, name: "TestLambdaVersions::test_version_lifecycle", steps: versionLifecycle},
	}
}

func publishOnCreate(r *run) {
	r.create("create_response", m{"Publish": true})
	function := m{"FunctionName": r.fn}
	r.settle(r.fn, "1")
	r.call("get_function_version_result", "GetFunction", with(function, m{"Qualifier": "1"}))
	r.call("get_function_latest_result", "GetFunction", with(function, m{"Qualifier": "$LATEST"}))
	r.call("get_function_result", "GetFunction", function)
	r.call("list_versions_result", "ListVersionsByFunction", function)
	r.call("repeated_publish_response", "PublishVersion", function)
	r.call("list_versions_result_after_publish", "ListVersionsByFunction", function)
}

func publishWithUpdate(r *run) {
	r.create("create_response", nil)
	function := m{"FunctionName": r.fn}
	r.call("get_function_result", "GetFunction", function)
	r.call("update_function_code_result", "UpdateFunctionCode", with(function, m{"ZipFile": pack("index.py", echoPython+"# 2\n"), "Publish": true}))
	r.call("get_function_version_result", "GetFunction", with(function, m{"Qualifier": "1"}))
	r.call("get_function_latest_result", "GetFunction", with(function, m{"Qualifier": "$LATEST"}))
	r.settle(r.fn)
}

func versionLifecycle(r *run) {
	r.create("create_response", m{"Description": "No version :("})
	function, first := m{"FunctionName": r.fn}, m{"FunctionName": r.fn, "Qualifier": "1"}
	r.call("get_function_result", "GetFunction", function)
	r.call("list_versions_result", "ListVersionsByFunction", function)

	r.call("first_update_response", "UpdateFunctionConfiguration", with(function, m{"Description": "First version :)"}))
	r.settle(r.fn)
	r.call("first_update_get_function", "GetFunction", function)
	r.call("first_publish_response", "PublishVersion", with(function, m{"Description": "First version description :)"}))
	r.settle(r.fn, "1")
	r.call("first_publish_get_function", "GetFunction", first)
	r.call("first_publish_get_function_config", "GetFunctionConfiguration", first)

	r.call("second_update_response", "UpdateFunctionConfiguration", with(function, m{"Description": "Second version :))"}))
	r.settle(r.fn)
	r.call("first_publish_get_function_after_update", "GetFunction", first)
	r.call("second_publish_response", "PublishVersion", function)
	r.call("third_publish_response", "PublishVersion", function)
	r.call("list_versions_result_after_third_publish", "ListVersionsByFunction", function)
	r.call("", "DeleteFunction", first)
	r.call("list_versions_result_after_deletion_of_first_version", "ListVersionsByFunction", function)
}
