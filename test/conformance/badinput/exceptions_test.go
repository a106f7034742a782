package badinput_test

import (
	"path"
	"strings"
)

// exception is where the service, or this server, is narrower than the model:
// places with a constraint, as path.Match has them, and how such an input is
// refused.
type exception struct{ places, text string }

// exceptions is all there are. One that nothing needs any more fails the test.
func exceptions() []exception {
	const destination = "The provided destination config DestinationConfig("
	return []exception{
		// The model's ranges are those of functions on managed instances.
		{"*.Timeout max", "1 validation error detected: Value '5400' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		{"*.MemorySize max", "1 validation error detected: Value '32768' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"},
		{"*.EphemeralStorage.Size max", "1 validation error detected: Value '32768' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value less than or equal to 10240"},
		// Something of the right shape that is not what is asked for.
		{"Add*Permission.Principal max", "The provided principal was invalid."},
		{"CreateEventSourceMapping.EventSourceArn max", "Unrecognized event source."},
		{"CreateEventSourceMapping.FunctionName min", "Function does not exist"},
		{"CreateEventSourceMapping.FilterCriteria.Filters.element.Pattern m??", "Invalid filter pattern definition."},
		{"CreateEventSourceMapping.DestinationConfig.OnFailure.Destination max", destination},
		{"CreateEventSourceMapping.SourceAccessConfigurations min", "Required 'sourceAccessConfigurations' parameter is missing."},
		{"PutFunctionEventInvokeConfig.DestinationConfig.On*.Destination max", destination},
		{"*ResourcePolicy.ResourceArn max", "The ResourceArn arn:"},
		{"*.Layers.element max", "Layers are not in the same region as the function."},
		// The model has one shape for what not every operation or source takes.
		{"CreateEventSourceMapping.DestinationConfig.OnSuccess.Destination *", "Unsupported DestinationConfig parameter for given event source mapping type."},
		{"DeleteFunction.Qualifier *", "Deletion of aliases is not currently supported."},
		// Of members that exclude each other one is always there.
		{"*.S3Bucket *", "Please do not provide other FunctionCode parameters when providing a ZipFile."},
		{"*.S3Key *", "Please do not provide other FunctionCode parameters when providing a ZipFile."},
		{"*.S3ObjectVersion *", "Please do not provide other FunctionCode parameters when providing a ZipFile."},
		{"PutRuntimeManagementConfig.RuntimeVersionArn *", "RuntimeVersionArn is for UpdateRuntimeOn Manual only."},
		// The one published version is the alias's first.
		{"*Alias.RoutingConfig.AdditionalVersionWeights.* *", "Invalid function version 1."},
		// This server does not have it, and says so.
		{"*.S3ObjectStorageMode enum", "The storage mode REFERENCE is not supported by this server"},
		{"*.PublishTo enum", "PublishTo is for functions on managed instances, which this server does not support."},
		{"CreateFunction.PackageType enum", "PackageType Image is not supported by this server."},
		{"CreateFunction.TenancyConfig.TenantIsolationMode enum", "Tenant isolation is not supported by this server yet."},
		{"Invoke.DurableExecutionName *", "The function is not a durable function."},
		{"Invoke.TenantId *", "The function has no tenant isolation."},
	}
}

// excepted finds the exception of a trial by its answer; -1 if there is none.
func excepted(list []exception, c *trial, message string) int {
	for i, e := range list {
		if ok, _ := path.Match(e.places, c.String()); ok && strings.HasPrefix(message, e.text) {
			return i
		}
	}
	return -1
}
