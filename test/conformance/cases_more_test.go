package conformance_test

import "strings"

// moreCases are of the suite of behaviour, about configuration.
func moreCases() []derived {
	cases := []derived{
		{suite: behaviour, name: "TestLambdaAliases::test_alias_routingconfig", steps: func(r *run) {
			r.createUsual("", m{"Publish": true})
			r.call("", "UpdateFunctionCode", m{"FunctionName": r.fn, "ZipFile": pack("handler.py", echoPython+"# 2\n"), "Publish": true})
			r.settle(r.fn)
			r.call("create_alias_response", "CreateAlias", m{
				"FunctionName": r.fn, "Name": "alias1", "FunctionVersion": "1", "RoutingConfig": m{"AdditionalVersionWeights": m{"2": 0.5}},
			})
		}},
		{suite: behaviour, name: "TestLambdaAliases::test_lambda_alias_moving", steps: movedAlias},
		{suite: behaviour, name: "TestLambdaConcurrency::test_lambda_concurrency_update", steps: func(r *run) {
			r.createUsual("", nil)
			function := m{"FunctionName": r.fn}
			r.call("put_function_concurrency", "PutFunctionConcurrency", with(function, m{"ReservedConcurrentExecutions": 3}))
			r.call("get_function_concurrency_updated", "GetFunctionConcurrency", function)
			r.call("get_function_concurrency_info", "GetFunction", function)
			r.call("", "DeleteFunctionConcurrency", function)
			r.call("get_function_concurrency_deleted", "GetFunctionConcurrency", function)
		}},
		{suite: behaviour, name: "TestLambdaConcurrency::test_lambda_provisioned_concurrency_scheduling", steps: func(r *run) {
			r.createUsual("", nil)
			r.call("", "PublishVersion", m{"FunctionName": r.fn})
			r.provision("", "get_provisioned_postwait", "1", 1)
		}},
		{suite: behaviour, name: "TestLambdaConcurrency::test_provisioned_concurrency", steps: func(r *run) {
			r.createUsual("", nil)
			r.call("", "PublishVersion", m{"FunctionName": r.fn})
			r.provision("put_provisioned_5", "get_provisioned_postwait", "1", 5)
		}},
		{suite: behaviour, name: "TestLambdaConcurrency::test_provisioned_concurrency_on_alias", steps: func(r *run) {
			r.createUsual("", nil)
			r.call("", "PublishVersion", m{"FunctionName": r.fn})
			r.call("", "CreateAlias", m{"FunctionName": r.fn, "Name": "alias", "FunctionVersion": "1"})
			r.provision("put_provisioned_5", "get_provisioned_postwait", "alias", 5)
		}},
	}
	return append(cases, each(behaviour, "TestLambdaURL::test_lambda_url_echo_invoke", func(r *run) {
		r.createUsual("", nil)
		config := m{"FunctionName": r.fn, "AuthType": "NONE"}
		if r.param != "None" {
			config["InvokeMode"] = r.param
		}
		r.call("create_lambda_url_config", "CreateFunctionUrlConfig", config)
		r.permit("add_permission", "urlPermission", m{
			"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "SourceArn": nil, "FunctionUrlAuthType": "NONE",
		})
	}, "BUFFERED", "None", "RESPONSE_STREAM")...)
}

// provision asks for provisioned concurrency and waits until it is there.
func (r *run) provision(put, get, qualifier string, n int) {
	version := m{"FunctionName": r.fn, "Qualifier": qualifier}
	r.call(put, "PutProvisionedConcurrencyConfig", with(version, m{"ProvisionedConcurrentExecutions": n}))
	if put != "" {
		r.call("get_provisioned_prewait", "GetProvisionedConcurrencyConfig", version)
	}
	for begin := newWait(r.limit); ; begin.pause(r, "provisioned concurrency") {
		if got := r.call("", "GetProvisionedConcurrencyConfig", version); got["Status"] != "IN_PROGRESS" {
			r.set(get, got)
			return
		}
	}
}

// versionPython tells which code, which version and by which name.
func versionPython(id string) m {
	return pack("handler.py", "def handler(event, context):\n    return {'version_id': '"+id+"', "+
		"'version_from_ctx': context.function_version, 'invoked_arn': context.invoked_function_arn}\n")
}

func movedAlias(r *run) {
	r.create("create_response", m{"Handler": "handler.handler", "Description": "No version :(", "Code": m{"ZipFile": versionPython("version1")}})
	function, alias := m{"FunctionName": r.fn}, m{"Qualifier": "alias1"}
	r.call("", "PublishVersion", with(function, m{"Description": "First version description :)"}))
	r.settle(r.fn, "1")
	r.call("create_alias_response", "CreateAlias", with(function, m{"Name": "alias1", "FunctionVersion": "1"}))
	r.invoke("invocation_result_qualifier_v1", alias)
	r.invoke("invocation_result_qualifier_v1_arn", m{"FunctionName": r.arn("alias1")})
	r.call("update_lambda_response", "UpdateFunctionCode", with(function, m{"ZipFile": versionPython("version2")}))
	r.settle(r.fn)
	r.invoke("invocation_result_qualifier_v1_after_update", alias)
	r.call("second_publish_response", "PublishVersion", with(function, m{"Description": "Second version description :)"}))
	r.settle(r.fn, "2")
	r.invoke("invocation_result_qualifier_v1_after_publish", alias)
	r.call("update_alias_response", "UpdateAlias", with(function, m{"Name": "alias1", "FunctionVersion": "2"}))
	r.invoke("invocation_result_qualifier_v2", alias)
	r.invoke("invocation_exc_not_existent", m{"Qualifier": "non-existent-alias"})
}

func storeCases() []derived {
	return []derived{{suite: api, name: "TestLambdaFunction::test_lambda_code_location_s3_errors", steps: func(r *run) {
		for _, wrong := range []string{"bucket", "key"} {
			where := m{"S3Bucket": storeBucket, "S3Key": "function.zip"}
			where["S3"+strings.ToUpper(wrong[:1])+wrong[1:]] = "wrong-" + wrong
			r.call("create-error-wrong-"+wrong, "CreateFunction", r.usual(m{"FunctionName": r.fn + "-wrong", "Code": where}))
			if wrong == "bucket" {
				r.createUsual("", nil)
			}
			r.call("update-error-wrong-"+wrong, "UpdateFunctionCode", with(where, m{"FunctionName": r.fn}))
		}
	}}}
}
