package lambda

import "time"

// Limits of the service, from its developer guide and from recorded answers.
const (
	// MaxRequestPayload is the largest event of a synchronous invocation, in bytes.
	MaxRequestPayload = 6 << 20
	// MaxResponsePayload is the largest buffered response, in bytes: 6 MiB and 100.
	MaxResponsePayload = 6<<20 + 100
	// MaxZip is the largest package of a direct upload, in bytes, zipped.
	MaxZip = 50 << 20
	// MaxCreateRequest is the largest body of CreateFunction, in bytes.
	MaxCreateRequest = 70167211
	// MaxUnzipped is the largest unpacked package with its layers, in bytes.
	MaxUnzipped = 250 << 20
	// MaxLayers is how many layers a function may have.
	MaxLayers = 5
	// MaxEnvironmentBytes bounds the JSON of a function's environment variables.
	MaxEnvironmentBytes = 4096
	// MaxFunctionName bounds the bare name, in characters.
	MaxFunctionName = 64
	// MaxLogTail is what X-Amz-Log-Result carries at most, in bytes before base64.
	MaxLogTail = 4096

	// DefaultMemoryMB, DefaultTimeout and DefaultEphemeralStorageMB apply when a
	// request names none.
	DefaultMemoryMB           = 128
	DefaultTimeout            = 3 * time.Second
	DefaultEphemeralStorageMB = 512
	// MaxMemoryMB, MaxTimeout and MaxEphemeralStorageMB bound what a zip or image
	// function may ask for. The model's wider ranges are for managed instances.
	MaxMemoryMB           = 10240
	MaxTimeout            = 900 * time.Second
	MaxEphemeralStorageMB = 10240

	// InitTimeout bounds the init phase of an on-demand environment.
	InitTimeout = 10 * time.Second
	// DefaultAccountConcurrency is an account's concurrent executions.
	DefaultAccountConcurrency = 1000
	// MinUnreservedConcurrency is what must be left of it for functions without a
	// reservation.
	MinUnreservedConcurrency = 100
	// MemoryPerCPU is the memory that buys one whole vCPU, in MB.
	MemoryPerCPU = 1769

	// MaxOpenFiles and MaxProcesses are the limits of one environment.
	MaxOpenFiles = 1024
	MaxProcesses = 1024
)
