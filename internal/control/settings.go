package control

import (
	"context"
	"maps"
	"slices"
	"time"

	"thaw/internal/lambda"
)

// Settings are what a caller wants of a version; nil leaves a member as it is,
// or at its default when the function is new.
type Settings struct {
	Description, Role, Runtime, Handler, Tracing *string
	MemoryMB, TimeoutSeconds, EphemeralStorageMB *int
	// Environment replaces all variables.
	Environment *map[string]string
	// Logging is merged: its empty members leave what there is.
	Logging *lambda.Logging
	// Layers replaces the list, which is of ARNs of layer versions.
	Layers *[]string
	// Recorded is raw JSON by the member's name in the model: kept and shown, not
	// applied. An empty value removes the member.
	Recorded map[string][]byte
}

// apply checks the settings and sets them. On an error v may be half changed.
func (s *Settings) apply(ctx context.Context, a *attachment, name string, v *lambda.Version) error {
	if err := s.applyResources(&v.Resources); err != nil {
		return err
	}
	if s.Runtime != nil {
		if err := checkRuntime(*s.Runtime); err != nil {
			return err
		}
	}
	if s.Environment != nil {
		if err := checkEnvironment(*s.Environment); err != nil {
			return err
		}
		v.Environment = maps.Clone(*s.Environment)
		if v.Environment == nil {
			v.Environment = map[string]string{}
		}
	}
	if s.Layers != nil {
		layers, err := a.resolve(ctx, *s.Layers)
		if err != nil {
			return err
		}
		v.Layers = layers
	}
	if err := s.applyLogging(name, v); err != nil {
		return err
	}
	set(&v.Description, s.Description)
	set(&v.Role, s.Role)
	set(&v.Runtime, s.Runtime)
	set(&v.Handler, s.Handler)
	set(&v.Tracing, s.Tracing)
	if len(s.Recorded) > 0 {
		v.Recorded = mergeRecorded(v.Recorded, s.Recorded)
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// applyResources checks the ranges of zip functions. The model's are wider: they
// hold for functions on managed instances.
func (s *Settings) applyResources(r *lambda.Resources) error {
	var found faults
	if s.MemoryMB != nil {
		found.checkRange(*s.MemoryMB, "memorySize", lambda.DefaultMemoryMB, lambda.MaxMemoryMB)
		r.MemoryMB = *s.MemoryMB
	}
	if s.TimeoutSeconds != nil {
		found.checkRange(*s.TimeoutSeconds, "timeout", 1, int(lambda.MaxTimeout/time.Second))
		r.Timeout = time.Duration(*s.TimeoutSeconds) * time.Second
	}
	if s.EphemeralStorageMB != nil {
		found.checkRange(*s.EphemeralStorageMB, "ephemeralStorage.size",
			lambda.DefaultEphemeralStorageMB, lambda.MaxEphemeralStorageMB)
		r.EphemeralStorageMB = *s.EphemeralStorageMB
	}
	return found.err()
}

const (
	formatText       = "Text"
	formatJSON       = "JSON"
	defaultLogLevel  = "INFO"
	logGroupOfPrefix = "/aws/lambda/"
)

// applyLogging merges and fills in what a LoggingConfig leaves out. Levels exist
// in the JSON format only.
func (s *Settings) applyLogging(name string, v *lambda.Version) error {
	var wish lambda.Logging
	if s.Logging != nil {
		wish = *s.Logging
	}
	merged := lambda.Logging{
		Format:           first(wish.Format, v.Logging.Format, formatText),
		Group:            first(wish.Group, v.Logging.Group, logGroupOfPrefix+name),
		ApplicationLevel: first(wish.ApplicationLevel, v.Logging.ApplicationLevel, defaultLogLevel),
		SystemLevel:      first(wish.SystemLevel, v.Logging.SystemLevel, defaultLogLevel),
	}
	if merged.Format != formatJSON {
		if wish.ApplicationLevel != "" || wish.SystemLevel != "" {
			return lambda.Errorf(lambda.CodeInvalidParameterValue,
				`LogLevel is not supported when LogFormat is set to "Text". `+
					`Remove LogLevel from your request or change the LogFormat to "JSON" and try again.`)
		}
		merged.ApplicationLevel, merged.SystemLevel = "", ""
	}
	v.Logging = merged
	return nil
}

// first is the first string that is not empty.
func first(candidates ...string) string {
	for _, s := range candidates {
		if s != "" {
			return s
		}
	}
	return ""
}

func mergeRecorded(old, change map[string][]byte) map[string][]byte {
	merged := make(map[string][]byte, len(old)+len(change))
	maps.Copy(merged, old)
	for member, raw := range change {
		if len(raw) == 0 {
			delete(merged, member)
			continue
		}
		merged[member] = slices.Clone(raw)
	}
	return merged
}
