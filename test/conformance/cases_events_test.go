package conformance_test

func eventInvokeCases() []derived {
	return []derived{
		{suite: api, name: "TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions", steps: func(r *run) {
			e := eventInvoke{r, "eventinvokealias"}
			e.begin()
			e.absent()
			e.destinations()
			e.qualifiers()
			e.overwrite()
			e.end()
		}},
	}
}

// eventInvoke walks through the configuration of asynchronous invocations.
type eventInvoke struct {
	*run
	alias string
}

func (e eventInvoke) put(name string, over m) {
	e.call(name, "PutFunctionEventInvokeConfig", with(m{"FunctionName": e.fn}, over))
}

func (e eventInvoke) begin() {
	e.createUsual("", nil)
	e.call("fn_version_result", "PublishVersion", m{"FunctionName": e.fn})
	e.call("fn_alias_result", "CreateAlias", m{"FunctionName": e.fn, "Name": e.alias, "FunctionVersion": "1"})
}

// absent asks for what does not exist.
func (e eventInvoke) absent() {
	once := m{"MaximumRetryAttempts": 1}
	e.put("put_functionname_name_notfound", with(once, m{"FunctionName": "doesnotexist"}))
	e.put("put_functionname_arn_notfound", with(once, m{"FunctionName": functionARN("doesnotexist")}))
	e.put("put_functionname_nootherargs", nil)
	e.put("put_alias_doesnotexist", with(once, m{"Qualifier": "doesnotexist"}))
	for name, input := range map[string]m{
		"get_function_doesnotexist":          {"FunctionName": "doesnotexist"},
		"get_qualifier_doesnotexist":         {"FunctionName": e.fn, "Qualifier": "doesnotexist"},
		"get_eventinvokeconfig_doesnotexist": {"FunctionName": e.fn, "Qualifier": e.alias},
	} {
		e.call(name, "GetFunctionEventInvokeConfig", input)
	}
	for name, input := range map[string]m{
		"function_doesnotexist":                 {"FunctionName": "doesnotexist"},
		"config_doesnotexist_with_qualifier":    {"FunctionName": e.fn, "Qualifier": e.alias},
		"config_doesnotexist_without_qualifier": {"FunctionName": e.fn},
	} {
		e.call("update_eventinvokeconfig_"+name, "UpdateFunctionEventInvokeConfig", with(once, input))
	}
	e.call("list_function_doesnotexist", "ListFunctionEventInvokeConfigs", m{"FunctionName": "doesnotexist"})
	e.call("delete_function_doesnotexist", "DeleteFunctionEventInvokeConfig", m{"FunctionName": "doesnotexist"})
}

func (e eventInvoke) destinations() {
	other := e.fn + "-other"
	e.call("", "CreateFunction", e.least(m{"FunctionName": other}))
	success := func(name, destination string) {
		e.put("put_destination_"+name, m{"DestinationConfig": m{"OnSuccess": m{"Destination": destination}}})
	}
	success("lambda_doesntexist", functionARN("doesnotexist"))
	success("recursive", e.arn())
	success("other_lambda", functionARN(other))
	success("invalid_service_arn", "arn:aws:iam:"+region+":"+account+":function:"+e.fn)
	e.put("put_destination_success_no_destination_arn", m{"DestinationConfig": m{"OnSuccess": m{}}})
	e.put("put_destination_failure_no_destination_arn", m{"DestinationConfig": m{"OnFailure": m{}}})
	e.put("put_destination_invalid_arn_pattern", m{"DestinationConfig": m{
		"OnFailure": m{"Destination": "arn:aws:_-/!lambda:" + region + ":" + account + ":function:" + e.fn},
	}})
}

func (e eventInvoke) qualifiers() {
	named := func(name, function, qualifier string) {
		input := m{"FunctionName": function, "MaximumRetryAttempts": 1}
		if qualifier != "" {
			input["Qualifier"] = qualifier
		}
		e.put("put_"+name, input)
	}
	named("destination_latest", e.fn, "")
	named("destination_latest_explicit_qualifier", e.fn, "$LATEST")
	named("destination_version", e.fn, "1")
	named("alias_functionname_qualifier", e.fn, e.alias)
	named("alias_qualifiedarn", e.arn(e.alias), "")
	named("alias_qualifiedarn_qualifier", e.arn(e.alias), e.alias)
	named("alias_qualifiedarn_qualifierconflict", e.arn(e.alias), "1")
	named("alias_shorthand", e.fn+":"+e.alias, "")
	named("alias_shorthand_qualifier", e.fn+":"+e.alias, e.alias)
	named("alias_shorthand_qualifierconflict", e.fn+":"+e.alias, "1")
	named("version_shorthand", e.fn+":1", "")
	named("shorthand_qualifier_match", e.fn+":$LATEST", "$LATEST")
	named("shorthand_qualifier_mismatch_1", e.fn+":1", "$LATEST")
	named("shorthand_qualifier_mismatch_2", e.fn+":$LATEST", "1")
	named("shorthand_qualifier_mismatch_3", e.fn+":"+e.alias, "$LATEST")
}

// overwrite shows that put replaces what update only changes.
func (e eventInvoke) overwrite() {
	function := m{"FunctionName": e.fn}
	both, never := m{"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}, m{"MaximumRetryAttempts": 0}
	update := func(name string, over m) { e.call(name, "UpdateFunctionEventInvokeConfig", with(function, over)) }
	e.put("put_maxevent_maxvalue_result", with(both, m{"MaximumEventAgeInSeconds": 21600}))
	e.put("put_pre_overwrite", both)
	e.put("put_post_overwrite", never)
	e.call("get_post_overwrite", "GetFunctionEventInvokeConfig", function)
	e.put("pre_update_response", both)
	update("update_response", never)
	e.put("second_overwrite_existing_response", never)
	update("update_response_existing", m{"MaximumEventAgeInSeconds": 60})
}

func (e eventInvoke) end() {
	function := m{"FunctionName": e.fn}
	e.call("list_configs", "ListFunctionEventInvokeConfigs", function)
	e.call("delete_latest", "DeleteFunctionEventInvokeConfig", function)
	e.call("delete_version", "DeleteFunctionEventInvokeConfig", with(function, m{"Qualifier": "1"}))
	e.call("delete_alias", "DeleteFunctionEventInvokeConfig", with(function, m{"Qualifier": e.alias}))
	e.call("list_configs_postdelete", "ListFunctionEventInvokeConfigs", function)
	e.call("delete_function_not_found", "DeleteFunctionEventInvokeConfig", function)
}
