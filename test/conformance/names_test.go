package conformance_test

import "strings"

// derivations are all cases that have calls, suite by suite.
func derivations() []derived {
	var all []derived
	for _, part := range []func() []derived{
		aliasCases, versionCases, functionCases, settingsCases, snapStartCases, layerCases,
		permissionCases, tagCases, urlCases, eventInvokeCases, sourceCases, accountCases,
	} {
		all = append(all, part()...)
	}
	return all
}

// each makes a case for every parameter that a recorded name has in brackets.
func each(suite, name string, steps func(r *run), params ...string) []derived {
	var cases []derived
	for _, param := range params {
		cases = append(cases, derived{suite: suite, name: name + "[" + param + "]", steps: steps})
	}
	return cases
}

// operation is the API's name of a method of boto3.
func operation(method string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(method, "_") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

const api = "lambda_api"

// underived says why a recorded case has no calls.
func underived(suite, name string) string {
	for _, reason := range reasons {
		if reason.suite == suite && strings.HasPrefix(name, reason.prefix) {
			return reason.text
		}
	}
	return "not looked at yet"
}

// reasons go from the special to the general.
var reasons = []struct{ suite, prefix, text string }{
	{api, "TestLambdaImages::", "container images are not built"},
	{api, "TestLambdaEventSourceMappings::test_event_source_mapping_lifecycle_delete_function", "one of its answers is DynamoDB's, to UpdateTable"},
	{api, "TestLambdaPermissions::test_lambda_permission_revisions", "recorded in 2022: an answer of today has members that it lacks, as newer recordings of the same calls show"},
	{api, "TestLambdaVersions::test_publish_with_wrong_revisionid", "recorded in 2022: an answer of today has members that it lacks, as newer recordings of the same calls show"},
}
