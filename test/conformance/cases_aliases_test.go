package conformance_test

func aliasCases() []derived {
	return []derived{
		{suite: api, name: "TestLambdaAlias::test_non_existent_alias_deletion", steps: func(r *run) {
			r.create("create_response", staging)
			r.call("delete_alias_response", "DeleteAlias", m{"FunctionName": r.fn, "Name": "non-existent"})
		}},
		{suite: api, name: "TestLambdaAlias::test_notfound_and_invalid_routingconfigs", steps: routingConfigs},
		{suite: api, name: "TestLambdaRevisions::test_function_revisions_basic", steps: revisions},
		{suite: api, name: "TestLambdaRevisions::test_function_revisions_version_and_alias", steps: versionRevisions},
	}
}

var staging = m{"Environment": m{"Variables": m{"testenv": "staging"}}}

func routingConfigs(r *run) {
	r.create("create_response", with(staging, m{"Publish": true}))
	r.call("publish_v1", "PublishVersion", m{"FunctionName": r.fn})
	r.call("", "UpdateFunctionConfiguration", m{"FunctionName": r.fn, "Environment": m{"Variables": m{"testenv": "prod"}}})
	r.settle(r.fn)
	r.call("publish_v2", "PublishVersion", m{"FunctionName": r.fn})

	alias := func(name, alias, version string, weights m, over m) {
		input := m{"FunctionName": r.fn, "Name": alias, "FunctionVersion": version}
		if weights != nil {
			input["RoutingConfig"] = m{"AdditionalVersionWeights": weights}
		}
		r.unchecked(name, "CreateAlias", with(input, over))
	}
	half := m{"2": 0.5}
	alias("routing_config_exc_toomany", "custom", "1", m{"1": 0.5, "2": 0.5}, nil)
	alias("routing_config_exc_toohigh", "custom", "1", m{"2": 2.0}, nil)
	alias("routing_config_exc_subzero", "custom", "1", m{"2": -1.0}, nil)
	alias("routing_config_exc_sameversion", "custom", "1", m{"1": 0.5}, nil)
	alias("target_version_doesnotexist", "custom", "10", half, nil)
	alias("routing_config_exc_version_doesnotexist", "custom", "1", m{"10": 0.5}, nil)
	alias("target_version_exc_version_latest", "custom", "$LATEST", m{"1": 0.5}, nil)
	alias("routing_config_exc_version_latest", "custom", "1", m{"$LATEST": 0.5}, nil)
	alias("routing_config_exc_fn_doesnotexist", "custom", "1", half, m{"FunctionName": r.fn + "-unknown"})
	alias("create-alias-latest", "custom-latest", "$LATEST", nil, nil)
	alias("create_alias_empty_routingconfig", "custom-empty-routingconfig", "1", nil, m{"RoutingConfig": m{}})
	alias("create_alias_response", "custom", "1", half, nil)
	alias("routing_config_exc_already_exist", "custom", "1", half, nil)
	r.call("alias_does_not_exist_esc", "GetAlias", m{"FunctionName": r.fn, "Name": "non-existent"})
}

func revisions(r *run) {
	r.createUsual("create_function_response_rev1", m{"Handler": "index.handler", "Code": m{"ZipFile": pack("index.py", echoPython)}})
	get := func(name string) any {
		got := r.call(name, "GetFunction", m{"FunctionName": r.fn})
		configuration, _ := got["Configuration"].(m)
		return configuration["RevisionId"]
	}
	revision := get("get_function_response_rev2")
	code := m{"FunctionName": r.fn, "ZipFile": pack("index.py", echoPython)}
	r.call("update_function_revision_exception", "UpdateFunctionCode", with(code, m{"RevisionId": "wrong"}))
	r.call("update_function_code_response_rev3", "UpdateFunctionCode", with(code, m{"RevisionId": revision}))
	r.settle(r.fn)
	revision = get("get_function_response_rev4")
	older := m{"FunctionName": r.fn, "Runtime": "python3.8"}
	r.call("update_function_configuration_revision_exception", "UpdateFunctionConfiguration", with(older, m{"RevisionId": "wrong"}))
	r.call("update_function_configuration_response_rev5", "UpdateFunctionConfiguration", with(older, m{"RevisionId": revision}))
	r.settle(r.fn)
	get("get_function_response_rev6")
}

func versionRevisions(r *run) {
	r.createUsual("create_function_response_rev1", nil)
	get := func(name string, over m) any {
		got := r.call(name, "GetFunction", with(m{"FunctionName": r.fn}, over))
		configuration, _ := got["Configuration"].(m)
		return configuration["RevisionId"]
	}
	first := m{"Qualifier": "1"}
	revision := get("get_function_active_rev2", nil)
	r.call("publish_version_revision_exception", "PublishVersion", m{"FunctionName": r.fn, "RevisionId": "wrong"})
	r.call("publish_version_response_rev_v1", "PublishVersion", m{"FunctionName": r.fn, "RevisionId": revision})
	get("get_function_published_version_rev_v2", first)
	get("get_function_latest_rev3", nil)
	alias := m{"FunctionName": r.fn, "Name": "revision_alias"}
	made := r.call("create_alias_response_rev_a1", "CreateAlias", with(alias, m{"FunctionVersion": "1"}))
	get("get_function_latest_rev4", nil)
	get("get_function_published_version_rev_v3", first)
	change := with(alias, m{"Description": "something changed"})
	r.call("update_alias_revision_exception", "UpdateAlias", with(change, m{"RevisionId": "wrong"}))
	r.call("update_alias_response_rev_a2", "UpdateAlias", with(change, m{"RevisionId": made["RevisionId"]}))
}
