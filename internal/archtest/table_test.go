package archtest_test

// row is one folder of the house and what the packages in it may import, besides
// the standard library, internal/lambda, internal/telemetry and themselves.
type row struct {
	// folder is the path below the module; it covers the packages below it too,
	// unless these have a row of their own.
	folder string
	// imports are folders of this module, with all below them; after "=" only the
	// package itself, which is how ports are open and their engines are not;
	// "everything" lifts the rule.
	imports []string
	// modules are prefixes of third-party import paths; "everything" lifts the rule.
	modules []string
	// why is told to the one who breaks the row.
	why string
}

const everything = "everything"

// house is the import table, from the top of the building to its ground.
var house = []row{
	{
		// txtar holds the templates of init: each is one text that a person can read.
		// pflag is cobra's own: the flags that manual pages list.
		folder: "cmd/thaw", imports: []string{everything},
		modules: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term", "golang.org/x/sys", "github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "golang.org/x/tools/txtar"},
		why:     "it wires everything, and its verbs are ordinary clients of the API, by the SDK that any client uses",
	},
	{
		folder: "cmd/thaw-init", imports: []string{"internal/linux"}, modules: []string{"golang.org/x/sys"},
		why: "it is PID 1 of every sandbox: small, and nothing in it that a function could reach for",
	},
	{
		folder: "internal/api", imports: []string{"internal/awsapi", "internal/sigv4", "internal/iam", "internal/control", "internal/catalog", "internal/invoke", "internal/async", "internal/queue"},
		why: "it decodes, verifies, authorises, calls and encodes; rules live in the packages it calls",
	},
	{
		// A queue is a record of the catalog, its messages are events of the store.
		folder: "internal/queue", imports: []string{"internal/catalog", "=internal/store"},
		why: "it keeps messages until they are deleted; who sends and receives them is not its matter",
	},
	{
		folder: "internal/async", imports: []string{"=internal/store"},
		why: "it decides when an event runs and keeps it until then; who runs it and who sends what became of it are its own small interfaces",
	},
	{
		folder: "internal/invoke", imports: []string{"internal/catalog", "internal/pool"},
		why: "the walk of an invocation meets the read model and the pool, never a store or a sandbox",
	},
	{
		// The services' own clients: what they sign, encode and verify is theirs. The
		// server's queues, functions and roles are told to it as interfaces.
		folder: "internal/destination", imports: []string{"internal/async"},
		modules: []string{
			"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/sqs", "github.com/aws/aws-sdk-go-v2/service/sns",
			"github.com/aws/aws-sdk-go-v2/service/eventbridge", "github.com/aws/smithy-go",
		},
		why: "it sends what it is given; when, and when again, is decided where events are",
	},
	{
		folder: "internal/pool", imports: []string{"internal/concurrency", "internal/environment", "internal/catalog"},
		why: "it chooses among environments; how one works is environment's",
	},
	{
		folder: "internal/concurrency",
		why:    "admission is arithmetic: state in, verdict out",
	},
	{
		folder: "internal/environment", imports: []string{"=internal/sandbox", "internal/runtimeapi", "internal/snapshot", "internal/code", "internal/runtimes"},
		why: "it is the only place that sees both the sandbox and the protocol",
	},
	{
		folder: "internal/runtimeapi",
		why:    "the protocol knows nothing of sandboxes, so that it can be tested over plain HTTP",
	},
	{
		folder: "internal/runtimes", imports: []string{"internal/code"},
		why: "a catalogue of directories and variables",
	},
	{
		folder: "internal/code",
		why:    "packages are bytes and directories; who uses them is not its matter",
	},
	{
		folder: "internal/signing",
		why:    "a signature fits a package or does not; whom to trust is control's",
	},
	{
		// The SDK's core alone, for signatures, credentials and its kind of error: its
		// client of S3 knows a hundred operations, and two are needed.
		folder: "internal/s3", modules: []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/smithy-go"},
		why: "it fetches and writes objects; what they are is not its matter",
	},
	{
		folder: "internal/sandbox", imports: []string{"internal/linux"},
		modules: []string{"golang.org/x/sys", "golang.org/x/net/bpf"},
		why:     "a sandbox runs programs; it knows no function, protocol or store",
	},
	{
		folder:  "internal/linux",
		modules: []string{"golang.org/x/sys", "golang.org/x/net/bpf", "github.com/vishvananda", "github.com/google/nftables"},
		why:     "kernel mechanism, without a word of the service",
	},
	{
		folder: "internal/dns", modules: []string{"golang.org/x/net/dns/dnsmessage"},
		why: "it forwards questions between sockets; whose they are is not its matter",
	},
	{
		// A policy is checked by the parser of the package that will evaluate it.
		// The ports' words for a conflict and for a record that is too large come
		// through catalog unchanged: control tells them apart.
		// A filter of an event source mapping is refused when it is set.
		folder: "internal/control", imports: []string{"internal/catalog", "internal/code", "=internal/store", "internal/source/filter", "internal/iam/policy", "internal/signing"},
		why: "the rules of change write wishes; who fulfils them watches the catalog",
	},
	{
		folder: "internal/source/filter",
		why:    "patterns are data: they are checked where they are set, and matched where records come in",
	},
	{
		// The port's word for a conflict comes through catalog unchanged.
		folder: "internal/iam", imports: []string{"internal/catalog", "internal/vault", "=internal/store"},
		why: "keys and policies need no more than records, and the vault for the secrets of keys",
	},
	{
		folder: "internal/catalog", imports: []string{"=internal/store"},
		why: "it is the one place that encodes metadata, and needs only the ports",
	},
	{
		folder: "internal/store", modules: []string{"github.com/nats-io", "golang.org/x/sys"},
		why: "the ports and their engines; what the bytes mean is catalog's",
	},
	{
		// Sealing is a decorator of the port, so that neither the engines nor the
		// catalog know of it.
		folder: "internal/store/sealed", imports: []string{"=internal/store", "internal/vault"},
		why: "it knows ports and seals, not what the records mean",
	},
	{
		folder: "internal/store/mirror", imports: []string{"=internal/store"},
		why: "it copies records as they are stored, whatever the engine",
	},
	{
		// A restored directory is written by the engine that will read it.
		folder: "internal/backup", imports: []string{"internal/store"},
		why: "it copies records and blobs as they are stored, and needs no key",
	},
	{
		folder: "internal/vault",
		why:    "it holds the master key: the less it knows the better",
	},
	{
		// One of the protocols is CBOR.
		folder: "internal/awsapi", modules: []string{"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream", "github.com/fxamacker/cbor/v2"},
		why: "wire formats only: no rule of the service, no state",
	},
	{
		folder: "internal/sigv4",
		why:    "verification is a pure function of the request and the key",
	},
	{
		folder: "internal/telemetry",
		why:    "everyone may write to it, so that it may import no one",
	},
	{
		// Prometheus' own library writes its format, and reads the figures of the process.
		folder: "internal/telemetry/exposition", imports: []string{"=internal/telemetry", "=internal/telemetry/metrics"},
		modules: []string{"github.com/prometheus/client_golang"},
		why:     "it shows what the store of metrics has counted; gauges of others are given to it",
	},
	{
		// OpenTelemetry's definitions alone: its exporters bring gRPC with them.
		folder: "internal/telemetry/trace/otlp", imports: []string{"=internal/telemetry", "=internal/telemetry/trace"},
		modules: []string{"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"},
		why:     "it turns events into spans; what they are of is told by the events",
	},
	{
		folder: "internal/seeds",
		why:    "tests of all packages use it",
	},
	{
		folder: "internal/lambda",
		why:    "the vocabulary that all the others speak: the standard library only",
	},
	{
		folder: "internal/archtest",
		why:    "it reads the code and runs none of it",
	},
	{
		folder: "test", imports: []string{everything}, modules: []string{everything},
		why: "tests and benchmarks of the whole, by whatever client",
	},
	{
		folder: "tools", imports: []string{everything}, modules: []string{everything},
		why: "generators and scripts of the build; nothing of it is in the product",
	},
	{
		folder: "examples", modules: []string{"github.com/aws/aws-lambda-go"},
		why: "an example is what a stranger would write: Amazon's library and no more",
	},
}

// free lists what every package but these folders themselves may import.
var free = []string{"internal/lambda", "internal/telemetry"}

// vagueNames are names of packages that say nothing of what is inside.
var vagueNames = []string{"util", "utils", "common", "core", "types", "manager", "managers", "helpers", "misc", "base", "shared"}

// initAllowed lists the packages that may have init functions: none so far.
var initAllowed = map[string]string{}

// suiteModules are what conformance suites may import: packages named …test,
// which only tests import.
var suiteModules = []string{"github.com/google/go-cmp"}

const (
	maxFileLines   = 600
	maxReadmeLines = 150
)
