package conformance_test

import "strings"

// derivations are all cases that have calls, suite by suite.
func derivations() []derived {
	var all []derived
	for _, part := range []func() []derived{
		aliasCases, versionCases, functionCases, settingsCases, snapStartCases, layerCases,
		permissionCases, tagCases, urlCases, eventInvokeCases, sourceCases, accountCases,
		invokeCases, moreCases, storeCases, mappingCases, asyncCases,
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
