package conformance_test

import "strings"

// reasonOf says why a recorded case has no calls, or cannot match.
func reasonOf(suite, name string) string {
	for _, reason := range reasons {
		if reason.suite == suite && strings.HasPrefix(name, reason.prefix) {
			return reason.text
		}
	}
	return ""
}

const (
	outdated     = "an old recording: newer ones of the same calls have members, or a rule, that it lacks"
	noRuntime    = "its runtime is not among those that are built here"
	unseenSource = "a source is not looked at when it is mapped: it may be another service's"
	noSources    = "it needs an event source and the polling of it"
	noURL        = "functions are not served by URL"
	noNetwork    = "there is no EC2 here that knows subnets and security groups: any are taken, and belong to no VPC"
	noImages     = "container images are not built"
	noJava       = "it invokes a function of Java 11, which is not among the runtimes that are built here"
	olderClient  = "the service's Python 3.8 has an older client of the runtime API, which tells no requestId"
	otherPatch   = "its runtime here has another patch version"
	noFunctions  = "it calls services of the provider from inside the function"
)

// reasons go from the special to the general.
var reasons = []struct{ suite, prefix, text string }{
	{api, "TestLambdaImages::", noImages},
	{api, "TestLambdaEventSourceMappings::test_event_source_mapping_lifecycle_delete_function", "one of its answers is DynamoDB's, to UpdateTable"},
	{api, "TestLambdaEventSourceMappings::test_create_event_source_self_managed", outdated},
	{api, "TestLambdaPermissions::test_lambda_permission_revisions", outdated},
	{api, "TestLambdaPermissions::test_lambda_permission_versioning", outdated},
	{api, "TestLambdaVersions::test_publish_with_wrong_revisionid", outdated},
	{api, "TestLambdaFunction::test_vpc_config", noNetwork},
	{api, "TestLambdaFunction::test_invalid_vpc_config", noNetwork},

	{behaviour, "TestLambdaBehavior::test_lambda_host_prefix_api_operation", noFunctions},
	{behaviour, "TestLambdaConcurrency::test_lambda_provisioned_concurrency_moves_with_alias", outdated},
	{behaviour, "TestLambdaErrors::test_lambda_runtime_error", otherPatch},
	{behaviour, "TestLambdaFeatures::test_basic_invoke", outdated},
	{behaviour, "TestLambdaFeatures::", noRuntime},
	{behaviour, "TestLambdaPermissions::test_lambda_permission_url_invocation", noURL},
	{behaviour, "TestLambdaURL::", noURL},
	{behaviour, "TestRequestIdHandling::test_request_id_invoke_url", noURL},

	{"lambda_common", "TestLambdaRuntimesCommon::test_uncaught_exception_invoke[python3.8]", olderClient},
	{"lambda_common", "", noRuntime},
	{"lambda_runtimes", "TestJavaRuntimes::", noJava},
	{"lambda_integration_dynamodbstreams", "", noSources},
	{"lambda_integration_kinesis", "", noSources},
	{"lambda_integration_sqs", "test_esm_with_not_existing_sqs_queue", unseenSource},
	{"lambda_integration_sqs", "", noSources},
}
