package invoke

import (
	"thaw/internal/lambda"
	"thaw/internal/telemetry"
	"thaw/internal/telemetry/trace"
)

// maxChain is how many invocations a chain may have, from the service's
// announcement: "after exceeding 16 invocations".
const maxChain = 16

// unlooped refuses an invocation at the end of a chain so long that it takes it
// for a loop, unless its function allows loops. The count is of the chain, whatever
// the functions in it.
func (s *Service) unlooped(req *Request, m metering) error {
	if trace.Hops(req.Trace.Header) < maxChain {
		return nil
	}
	record, ok := s.opts.Catalog.Function(req.Ref.Name)
	if ok && record.Function.Configs.RecursiveLoop == lambda.RecursiveLoopAllow {
		return nil
	}
	if m.meter != nil {
		m.measure(telemetry.MetricRecursiveInvocationsDropped, 1)
	}
	return lambda.Errorf(lambda.CodeRecursiveInvocation,
		"Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation.")
}
