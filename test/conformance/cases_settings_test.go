package conformance_test

import "strings"

func settingsCases() []derived {
	cases := []derived{
		{suite: api, name: "TestLoggingConfig::test_function_advanced_logging_configuration", steps: func(r *run) {
			logging(r, m{"LogFormat": "JSON"}, m{"LogGroup": "cool_lambda"})
		}},
		{suite: api, name: "TestLambdaRecursion::test_put_function_recursion_config_allow", steps: func(r *run) {
			r.createUsual("", nil)
			r.call("put_recursion_config_response", "PutFunctionRecursionConfig", m{"FunctionName": r.fn, "RecursiveLoop": "Allow"})
			r.call("get_recursion_config_response", "GetFunctionRecursionConfig", m{"FunctionName": r.fn})
		}},
		{suite: api, name: "TestLambdaRecursion::test_put_function_recursion_config_default_terminate", steps: func(r *run) {
			r.createUsual("", nil)
			r.call("get_recursion_default_terminate_response", "GetFunctionRecursionConfig", m{"FunctionName": r.fn})
		}},
		{suite: api, name: "TestLambdaReservedConcurrency::test_function_concurrency_exceptions", steps: concurrencyRefusals},
		{suite: api, name: "TestLambdaSizeLimits::test_large_environment_variables_fails", steps: func(r *run) {
			large := m{"LARGE_VAR": strings.Repeat("x", environmentLimit+1-len(`{"LARGE_VAR":""}`))}
			r.call("failed_create_fn_result", "CreateFunction", r.usual(m{"Environment": m{"Variables": large}}))
		}},
		{suite: api, name: "TestLambdaSizeLimits::test_large_environment_fails_multiple_keys", steps: func(r *run) {
			large := m{"SMALL_VAR": "ok", "LARGE_VAR": strings.Repeat("x", environmentLimit+1-len(`{"SMALL_VAR":"ok","LARGE_VAR":""}`))}
			r.call("failured_create_fn_result_multi_key", "CreateFunction", r.usual(m{"Environment": m{"Variables": large}}))
		}},
		{suite: api, name: "TestLambdaSizeLimits::test_oversized_lambda", alone: true, steps: func(r *run) {
			r.call("invalid_param_exc", "CreateFunction", r.least(m{"Code": m{"ZipFile": pack("index.py", strings.Repeat(" ", unpackedLimit+1))}}))
		}},
		{suite: api, name: "TestLambdaSizeLimits::test_large_lambda", alone: true, steps: func(r *run) {
			large := echoPython + strings.Repeat("\n", unpackedLimit-len(echoPython)-1)
			r.call("create_function_large_zip", "CreateFunction", r.least(m{
				"Handler": "handler.handler", "Timeout": 10, "Code": m{"ZipFile": pack("handler.py", large)},
			}))
		}},
	}
	for i, change := range []m{
		{"LogFormat": "JSON"},
		{"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"},
		{"LogFormat": "JSON", "SystemLogLevel": "DEBUG"},
		{"LogGroup": "cool_lambda"},
	} {
		cases = append(cases, derived{
			suite: api,
			name:  "TestLoggingConfig::test_function_partial_advanced_logging_configuration_update[partial_config" + string(rune('0'+i)) + "]",
			steps: func(r *run) { logging(r, nil, change) },
		})
	}
	return cases
}

// environmentLimit is how many bytes the variables may have as JSON.
const environmentLimit = 4096

// unpackedLimit is how many bytes a package may have when it is unpacked.
const unpackedLimit = 262144000

// logging creates a function with one configuration of its log and changes it.
func logging(r *run, first, second m) {
	over := m{"MemorySize": 256, "Timeout": 5}
	if first != nil {
		over["LoggingConfig"] = first
	}
	r.createUsual("create_response", over)
	function := m{"FunctionName": r.fn}
	r.call("get_function_response", "GetFunction", function)
	r.call("function_config", "GetFunctionConfiguration", function)
	r.call("updated_config", "UpdateFunctionConfiguration", with(function, m{"LoggingConfig": second}))
	r.settle(r.fn)
	r.call("received_config", "GetFunctionConfiguration", function)
}

func concurrencyRefusals(r *run) {
	r.createUsual("", nil)
	r.call("", "PublishVersion", m{"FunctionName": r.fn})
	put := func(name, function string, n int) {
		r.call("put_function_concurrency_with_"+name, "PutFunctionConcurrency", m{"FunctionName": function, "ReservedConcurrentExecutions": n})
	}
	put("function_name_doesnotexist", "doesnotexist", 1)
	put("function_name_doesnotexist_and_invalid_concurrency", "doesnotexist", 0xFFFF)
	put("qualified_arn", r.arn("1"), 1)
}

func snapStartCases() []derived {
	params := []string{"dotnet10", "dotnet8", "java11", "java17", "java21", "java25", "python3.12", "python3.13"}
	create := func(r *run) {
		r.create("create_function_response", m{"Runtime": r.param, "Handler": usualHandler(r.param), "MemorySize": 1024, "Timeout": 5})
	}
	cases := each(api, "TestLambdaSnapStart::test_snapstart_lifecycle", func(r *run) {
		create(r)
		r.call("get_function_response_latest", "GetFunction", m{"FunctionName": r.fn})
		r.call("", "PublishVersion", m{"FunctionName": r.fn, "Description": "version1"})
		r.settle(r.fn, "1")
		r.call("get_function_response_version_1", "GetFunction", m{"FunctionName": r.fn, "Qualifier": "1"})
	}, params...)
	return append(cases, each(api, "TestLambdaSnapStart::test_snapstart_update_function_configuration", func(r *run) {
		create(r)
		r.call("update_function_response", "UpdateFunctionConfiguration", m{"FunctionName": r.fn, "SnapStart": m{"ApplyOn": "PublishedVersions"}})
		r.settle(r.fn)
	}, params...)...)
}

// usualHandler is what recordings have for a runtime.
func usualHandler(runtime string) string {
	for language, handler := range map[string]string{
		"dotnet": "dotnet::Dotnet.Function::FunctionHandler", "java": "echo.Handler", "python": "handler.handler", "nodejs": "index.handler",
	} {
		if strings.HasPrefix(runtime, language) {
			return handler
		}
	}
	return "function.handler"
}
