package conformance_test

func urlCases() []derived {
	return []derived{
		{suite: api, name: "TestLambdaUrl::test_url_config_deletion_without_qualifier", steps: func(r *run) {
			r.createUsual("", nil)
			function, alias := m{"FunctionName": r.fn}, m{"FunctionName": r.fn, "Qualifier": "test-alias"}
			r.call("", "PublishVersion", function)
			r.call("", "CreateAlias", with(function, m{"Name": "test-alias", "FunctionVersion": "1"}))
			r.call("url_creation", "CreateFunctionUrlConfig", with(function, public))
			r.call("url_with_alias_creation", "CreateFunctionUrlConfig", with(alias, public))
			r.call("get_url_config_with_alias", "GetFunctionUrlConfig", alias)
			r.call("get_url_config", "GetFunctionUrlConfig", function)
			r.call("delete_function_url_config", "DeleteFunctionUrlConfig", function)
			r.call("get_url_config_after_deletion", "GetFunctionUrlConfig", function)
			r.call("get_url_config_with_alias_after_deletion", "GetFunctionUrlConfig", alias)
		}},
		{suite: api, name: "TestLambdaUrl::test_url_config_exceptions", steps: urlRefusals},
		{suite: api, name: "TestLambdaUrl::test_url_config_lifecycle", steps: func(r *run) {
			r.createUsual("", nil)
			function := m{"FunctionName": r.fn}
			r.call("url_creation", "CreateFunctionUrlConfig", with(function, public))
			r.call("get_url_config", "GetFunctionUrlConfig", function)
			r.call("failed_duplication", "CreateFunctionUrlConfig", with(function, public))
			r.call("updated_url_config", "UpdateFunctionUrlConfig", with(function, m{"AuthType": "AWS_IAM"}))
			r.call("", "DeleteFunctionUrlConfig", function)
			r.call("failed_getter", "GetFunctionUrlConfig", function)
		}},
	}
}

var public = m{"AuthType": "NONE"}

// urlRefusals makes the same mistakes with each of the four operations.
func urlRefusals(r *run) {
	r.createUsual("", m{"Runtime": "nodejs20.x", "Handler": "lambda_handler.handler", "Code": m{"ZipFile": pack("lambda_handler.js", "exports.handler = async (e) => e\n")}})
	r.call("fn_version_result", "PublishVersion", m{"FunctionName": r.fn})
	r.call("create_alias_result", "CreateAlias", m{"FunctionName": r.fn, "Name": "urlalias", "FunctionVersion": "1"})
	for _, verb := range []string{"create", "get", "update", "delete"} {
		try := func(name string, input m) {
			if verb == "create" || verb == "update" {
				input = with(public, input)
			}
			r.call(verb+"_function_url_config_"+name, operation(verb+"_function_url_config"), input)
		}
		try("name_doesnotexist", m{"FunctionName": "doesnotexist"})
		try("arn_doesnotexist", m{"FunctionName": functionARN("doesnotexist")})
		try("name_doesnotexist_qualifier", m{"FunctionName": "doesnotexist", "Qualifier": "1"})
		try("qualifier_version", m{"FunctionName": r.fn, "Qualifier": "1"})
		try("qualifier_version_doesnotexist", m{"FunctionName": r.fn, "Qualifier": "2"})
		try("qualifier_alias_doesnotexist", m{"FunctionName": r.fn, "Qualifier": "doesnotexist"})
		try("qualifier_latest", m{"FunctionName": r.fn, "Qualifier": "$LATEST"})
		if verb != "create" {
			try("config_doesnotexist", m{"FunctionName": r.fn})
		}
		// The service failed at this one for delete.
		if verb != "delete" {
			try("qualifier_alias_doesnotmatch_arn", m{"FunctionName": r.arn("doesnotexist"), "Qualifier": "urlalias"})
		}
	}
}
