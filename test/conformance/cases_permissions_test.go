package conformance_test

const bucketARN = "arn:aws:s3:::conformance-bucket"

func permissionCases() []derived {
	name := func(rest string) string { return "TestLambdaPermissions::test_" + rest }
	return []derived{
		{suite: api, name: name("add_lambda_permission_aws"), steps: func(r *run) {
			r.createUsual("create_lambda", nil)
			r.permit("add_permission", "s3", nil)
			r.call("get_policy", "GetPolicy", m{"FunctionName": r.fn})
		}},
		{suite: api, name: name("add_lambda_permission_fields"), steps: permissionFields},
		{suite: api, name: name("lambda_permission_fn_versioning"), steps: permissionsOfVersions},
		{suite: api, name: name("lambda_permission_versioning"), steps: permissionsOfPublished},
		{suite: api, name: name("permission_exceptions"), steps: permissionRefusals},
		{suite: api, name: name("remove_multi_permissions"), steps: removePermissions},
	}
}

// permit lets the bucket invoke the function, changed by over.
func (r *run) permit(name, id string, over m) m {
	return r.call(name, "AddPermission", with(m{
		"FunctionName": r.fn, "StatementId": id, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": bucketARN,
	}, over))
}

func permissionFields(r *run) {
	r.createUsual("", nil)
	as := func(principal string) m {
		return m{"Principal": principal, "SourceArn": nil, "SourceAccount": account}
	}
	r.permit("add_permission_principal_wildcard", "wilcard", as("*"))
	r.permit("add_permission_principal_service", "lambda", as("lambda.amazonaws.com"))
	r.permit("add_permission_principal_account", "account-id", m{"Principal": account, "SourceArn": nil})
	// A person's name stands in the recording for whoever called.
	r.permit("add_permission_principal_arn", "user-arn", as("arn:aws:iam::"+account+":root"))
	r.permit("add_permission_optional_fields", "urlPermission", m{
		"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "SourceAccount": account,
		"PrincipalOrgID": "o-1234567890", "FunctionUrlAuthType": "NONE",
	})
	r.permit("add_permission_alexa_skill", "alexaSkill", m{
		"Principal": "*", "SourceArn": nil, "EventSourceToken": "amzn1.ask.skill.xxxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
	})
}

func permissionsOfVersions(r *run) {
	r.createUsual("", nil)
	function := m{"FunctionName": r.fn}
	r.permit("add_permission", "s3", nil)
	r.call("get_policy", "GetPolicy", function)
	r.call("publish_version_result", "PublishVersion", function)
	r.call("get_policy_after_publishing_latest", "GetPolicy", function)
	first := m{"Qualifier": "1"}
	r.call("get_policy_after_publishing_new_version", "GetPolicy", with(function, first))
	r.call("get_function_result_after_publishing", "GetFunction", function)
	r.call("", "AddPermission", with(r.bucketStatement("s3"), first))
	r.call("get_policy_version", "GetPolicy", with(function, first))
	r.call("get_policy_after_adding_to_new_version", "GetPolicy", function)

	r.call("create_alias_response", "CreateAlias", with(function, m{"Name": "permission-alias", "FunctionVersion": "1"}))
	alias := m{"Qualifier": "permission-alias"}
	r.permit("add_permission_alias_revision_exception", "s3", with(alias, m{"RevisionId": "wrong"}))
	made := r.call("get_alias", "GetAlias", with(function, m{"Name": "permission-alias"}))
	r.call("", "AddPermission", with(r.bucketStatement("s3"), with(alias, m{"RevisionId": made["RevisionId"]})))
	r.call("get_policy_alias", "GetPolicy", with(function, alias))
	r.call("", "AddPermission", r.bucketStatement("s3_2"))
	r.call("get_policy_after_adding_2", "GetPolicy", function)
}

func (r *run) bucketStatement(id string) m {
	return m{"FunctionName": r.fn, "StatementId": id, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": bucketARN}
}

func permissionsOfPublished(r *run) {
	r.createUsual("", nil)
	function := m{"FunctionName": r.fn}
	r.permit("add_permission", "s3", nil)
	r.call("get_policy", "GetPolicy", function)
	r.call("", "PublishVersion", function)
	r.call("get_policy_after_publishing_latest", "GetPolicy", function)
	r.call("get_policy_after_publishing_new_version", "GetPolicy", with(function, m{"Qualifier": "1"}))
	r.call("", "AddPermission", with(r.bucketStatement("s3"), m{"Qualifier": "1"}))
	r.call("get_policy_after_adding_to_new_version", "GetPolicy", function)
	r.call("", "AddPermission", r.bucketStatement("s3_2"))
	r.call("get_policy_after_adding_2", "GetPolicy", function)
}

func permissionRefusals(r *run) {
	r.bind("<function-name>", r.fn)
	r.createUsual("", nil)
	add := func(name string, over m) { r.permit("add_permission_"+name, "s3", over) }
	add("invalid_statement_id", m{"StatementId": "example.com"})
	add("principal_invalid", m{"Principal": "invalid.nonaws.com"})
	add("fn_doesnotexist", m{"FunctionName": "doesnotexist"})
	add("fn_qualifier_mismatch", m{"FunctionName": r.fn + ":alias-not-42", "Qualifier": "42"})
	add("fn_qualifier_latest", m{"Qualifier": "$LATEST"})
	add("fn_version_doesnotexist", m{"Qualifier": "42"})
	add("fn_alias_doesnotexist", m{"Qualifier": "alias-doesnotexist"})
	add("fn_qualifier_invalid", m{"Qualifier": "invalid-qualifier-with-?-char"})
	add("fn_qualifier_valid_doesnotexist", m{"Qualifier": "valid-with-$-but-doesnotexist"})
	r.call("get_policy_fn_doesnotexist", "GetPolicy", m{"FunctionName": "doesnotexist"})
	r.call("get_policy_fn_version_doesnotexist", "GetPolicy", m{"FunctionName": r.fn, "Qualifier": "42"})
	remove := func(name string, over m) {
		r.call("remove_permission_"+name, "RemovePermission", with(m{"FunctionName": r.fn, "StatementId": "s3"}, over))
	}
	remove("policy_doesnotexist", nil)
	remove("fn_doesnotexist", m{"FunctionName": "doesnotexist"})
	remove("fn_alias_doesnotexist", m{"Qualifier": "alias-doesnotexist"})
	r.call("", "AddPermission", r.bucketStatement("s3"))
	add("conflicting_statement_id", nil)
}

func removePermissions(r *run) {
	r.createUsual("", nil)
	function := m{"FunctionName": r.fn}
	r.permit("add_permission_1", "s3", m{"SourceArn": nil})
	r.permit("add_permission_2", "sqs", m{"Principal": "sqs.amazonaws.com"})
	r.call("policy_after_2_add", "GetPolicy", function)
	r.call("", "RemovePermission", with(function, m{"StatementId": "sqs"}))
	r.call("policy_after_removal", "GetPolicy", function)
	r.call("remove_permission_exception_nonexisting_sid", "RemovePermission", with(function, m{"StatementId": "non-existent"}))
	r.call("policy_after_removal_attempt", "GetPolicy", function)
	r.call("", "RemovePermission", with(function, m{"StatementId": "s3"}))
	r.call("get_policy_exception_removed_all", "GetPolicy", function)
}
