package conformance_test

func accountCases() []derived {
	return []derived{
		{suite: api, name: "TestLambdaAccountSettings::test_account_settings_total_code_size", alone: true, steps: totalCodeSize},
		{suite: api, name: "TestLambdaAccountSettings::test_account_settings_total_code_size_config_update", alone: true, steps: totalCodeSizeOfVersions},
		{suite: api, name: "TestCodeSigningConfig::test_function_code_signing_config", steps: codeSigning},
	}
}

// total is how many bytes of code the account has.
func (r *run) total() float64 {
	usage, _ := r.call("", "GetAccountSettings", m{})["AccountUsage"].(m)
	total, ok := usage["TotalCodeSize"].(float64)
	if !ok {
		r.stopf("GetAccountSettings tells no TotalCodeSize")
	}
	return total
}

// added is by how much the total grows while something is done.
func (r *run) added(do func()) float64 {
	before := r.total()
	do()
	return r.total() - before
}

// totalCodeSize makes packages of the sizes by which the recorded total grew:
// that it grows by just the packages' sizes is what it is about.
func totalCodeSize(r *run) {
	const functionBytes, layerBytes = 276, 169
	code := m{"ZipFile": blob(zipped(functionBytes, "index.py", echoPython))}
	r.set("total_code_size_diff_create_function", r.added(func() { r.create("", m{"Code": code}) }))
	r.set("total_code_size_diff_update_function", r.added(func() {
		r.call("", "UpdateFunctionCode", with(code, m{"FunctionName": r.fn, "Publish": true}))
		r.settle(r.fn)
	}))
	for _, name := range []string{"total_code_size_diff_publish_layer", "total_code_size_diff_publish_layer_version"} {
		r.set(name, r.added(func() {
			r.publishLayer("", m{"Content": m{"ZipFile": blob(zipped(layerBytes, "layer.txt", ""))}})
		}))
	}
}

func totalCodeSizeOfVersions(r *run) {
	code := m{"ZipFile": blob(zipped(276, "index.py", echoPython))}
	created := r.added(func() { r.create("", m{"Code": code}) })
	r.set("is_total_code_size_diff_create_function_more_than_200", created > 200)
	r.set("total_code_size_diff_update_function_configuration", r.added(func() {
		r.call("", "UpdateFunctionConfiguration", m{"FunctionName": r.fn, "Timeout": 10})
		r.settle(r.fn)
	}))
	published := r.added(func() { r.call("", "PublishVersion", m{"FunctionName": r.fn}) })
	r.set("is_total_code_size_diff_publish_version_after_config_update_more_than_200", published > 200)
}

func codeSigning(r *run) {
	r.createUsual("", nil)
	made := r.call("create_code_signing_config", "CreateCodeSigningConfig", m{
		"Description":         "Testing CodeSigning Config",
		"AllowedPublishers":   m{"SigningProfileVersionArns": []any{"arn:aws:signer:" + region + ":" + account + ":/signing-profiles/test"}},
		"CodeSigningPolicies": m{"UntrustedArtifactOnDeployment": "Enforce"},
	})
	config, _ := made["CodeSigningConfig"].(m)
	own := m{"CodeSigningConfigArn": config["CodeSigningConfigArn"]}
	r.call("update_code_signing_config", "UpdateCodeSigningConfig", with(own, m{"CodeSigningPolicies": m{"UntrustedArtifactOnDeployment": "Warn"}}))
	r.call("get_code_signing_config", "GetCodeSigningConfig", own)
	r.call("put_function_code_signing_config", "PutFunctionCodeSigningConfig", with(own, m{"FunctionName": r.fn}))
	r.call("get_function_code_signing_config", "GetFunctionCodeSigningConfig", m{"FunctionName": r.fn})
	listed, _ := r.call("", "ListCodeSigningConfigs", m{})["CodeSigningConfigs"].([]any)
	for _, config := range listed {
		if config, _ := config.(m); config["CodeSigningConfigArn"] == own["CodeSigningConfigArn"] {
			r.set("list_code_signing_configs", config)
		}
	}
	r.call("list_functions_by_code_signing_config", "ListFunctionsByCodeSigningConfig", own)
	r.call("delete_function_code_signing_config", "DeleteFunctionCodeSigningConfig", m{"FunctionName": r.fn})
	r.call("delete_code_signing_config", "DeleteCodeSigningConfig", own)
}
