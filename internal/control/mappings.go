package control

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"thaw/internal/catalog"
	"thaw/internal/lambda"
	"thaw/internal/store"
)

// mappingPageSize is how many event source mappings a page has at most, whatever
// a caller asks for, from the service's documentation of ListEventSourceMappings.
const mappingPageSize = 100

// MappingView is an event source mapping as an operation shows it.
type MappingView struct {
	lambda.Mapping
	ARN, FunctionARN string
}

func (c *Control) mappingView(m *lambda.Mapping) MappingView {
	return MappingView{Mapping: *m, ARN: c.scope.MappingARN(m.UUID), FunctionARN: c.scope.FunctionARN(m.Function, m.Qualifier)}
}

// CreateMappingInput is a new event source mapping.
type CreateMappingInput struct {
	Function lambda.Ref
	// Source is from where; Access, Kafka and DocumentDB are among the settings.
	Source lambda.EventSource
	Tags   map[string]string
	MappingSettings
}

// CreateMapping makes a function get the records of a source.
func (c *Control) CreateMapping(ctx context.Context, in CreateMappingInput) (MappingView, error) {
	m := lambda.Mapping{UUID: lambda.NewUUID(), Source: in.Source, Tags: maps.Clone(in.Tags), Enabled: true, LastModified: time.Now()}
	if err := checkNewSource(&in); err != nil {
		return MappingView{}, err
	}
	setDefaults(&m)
	in.apply(&m)
	if err := checkMapping(&m); err != nil {
		return MappingView{}, err
	}
	if err := checkTags(m.Tags); err != nil {
		return MappingView{}, err
	}
	if err := c.setTarget(&m, in.Function); err != nil {
		return MappingView{}, err
	}
	m.State = lambda.MappingDisabled
	if m.Enabled {
		m.State = lambda.MappingCreating
	}
	c.mapping.Lock()
	defer c.mapping.Unlock()
	if err := c.checkUnique(&m); err != nil {
		return MappingView{}, err
	}
	record, err := c.catalog.PutMapping(ctx, &m, 0)
	if errors.Is(err, store.ErrTooLarge) {
		return MappingView{}, mappingTooLarge()
	}
	if err != nil {
		return MappingView{}, err
	}
	c.mappings.add(m.UUID)
	return c.mappingView(record.Mapping), nil
}

// UpdateMapping changes an event source mapping, and of which function it is if
// ref names one.
func (c *Control) UpdateMapping(ctx context.Context, uuid string, ref *lambda.Ref, s MappingSettings) (MappingView, error) {
	return c.changeMapping(ctx, uuid, "update", func(m *lambda.Mapping) error {
		if err := s.checkSupported(&m.Source); err != nil {
			return err
		}
		if err := s.checkFixed(&m.Source); err != nil {
			return err
		}
		was := m.Enabled
		s.apply(m)
		if err := checkMapping(m); err != nil {
			return err
		}
		if ref != nil {
			if err := c.setTarget(m, *ref); err != nil {
				return err
			}
			if err := c.checkUnique(m); err != nil {
				return err
			}
		}
		switch {
		case m.Enabled == was:
			m.State = lambda.MappingUpdating
		case m.Enabled:
			m.State = lambda.MappingEnabling
		default:
			m.State = lambda.MappingDisabling
		}
		return nil
	})
}

// DeleteMapping begins to delete an event source mapping.
func (c *Control) DeleteMapping(ctx context.Context, uuid string) (MappingView, error) {
	return c.changeMapping(ctx, uuid, "delete", func(m *lambda.Mapping) error {
		m.State = lambda.MappingDeleting
		return nil
	})
}

// changeMapping replaces a mapping by what edit makes of a copy, of which it
// replaces the maps and slices that it changes. verb is what is said not to be
// possible now.
func (c *Control) changeMapping(ctx context.Context, uuid, verb string, edit func(*lambda.Mapping) error) (MappingView, error) {
	c.mapping.Lock()
	defer c.mapping.Unlock()
	for range maxTries {
		record, ok := c.catalog.Mapping(uuid)
		if !ok {
			return MappingView{}, noSuchMapping()
		}
		m := *record.Mapping
		if !m.Settled() {
			return MappingView{}, mappingInUse(verb)
		}
		if err := edit(&m); err != nil {
			return MappingView{}, err
		}
		m.LastModified = time.Now()
		changed, err := c.catalog.PutMapping(ctx, &m, record.Revision)
		switch {
		case err == nil:
			c.mappings.add(uuid)
			return c.mappingView(changed.Mapping), nil
		case errors.Is(err, store.ErrTooLarge):
			return MappingView{}, mappingTooLarge()
		case !errors.Is(err, store.ErrConflict):
			return MappingView{}, err
		}
		if !sleep(ctx, conflictPause) {
			return MappingView{}, ctx.Err()
		}
	}
	return MappingView{}, mappingInUse(verb)
}

func noSuchMapping() error {
	return lambda.Errorf(lambda.CodeResourceNotFound, "The resource you requested does not exist.")
}

// mappingInUse is the service's text, from reports of its users.
func mappingInUse(verb string) error {
	return lambda.Errorf("ResourceInUseException", "Cannot %s the event source mapping because it is in use.", verb)
}

// mappingTooLarge is this server's own limit: a mapping is one record.
func mappingTooLarge() error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue, "The event source mapping is larger than can be kept.")
}

// GetMapping shows an event source mapping, whether its function is there or not.
func (c *Control) GetMapping(_ context.Context, uuid string) (MappingView, error) {
	record, ok := c.catalog.Mapping(uuid)
	if !ok {
		return MappingView{}, noSuchMapping()
	}
	return c.mappingView(record.Mapping), nil
}

// ListMappingsInput asks for one page. Function and SourceARN leave only the
// mappings of one function, as it is qualified, and of one source.
type ListMappingsInput struct {
	Marker    string
	Max       int // at most 100 are given; 0 means that
	Function  *lambda.Ref
	SourceARN string
}

func (in *ListMappingsInput) matches(m *lambda.Mapping) bool {
	return (in.SourceARN == "" || in.SourceARN == m.Source.ARN) &&
		(in.Function == nil || in.Function.Name == m.Function && in.Function.Qualifier == m.Qualifier)
}

// ListMappings shows event source mappings sorted by UUID. next is empty on the
// last page.
func (c *Control) ListMappings(_ context.Context, in ListMappingsInput) (views []MappingView, next string, err error) {
	if in.Function != nil {
		if err := c.resolve(*in.Function); err != nil {
			return nil, "", err
		}
	}
	after, err := decodeMarker(in.Marker)
	if err != nil {
		return nil, "", err
	}
	limit := mappingPageSize
	if in.Max > 0 {
		limit = min(limit, in.Max)
	}
	list := c.catalog.Mappings()
	start, found := slices.BinarySearchFunc(list, after.name, func(r catalog.MappingRecord, uuid string) int {
		return strings.Compare(r.Mapping.UUID, uuid)
	})
	if found {
		start++
	}
	for _, record := range list[start:] {
		if !in.matches(record.Mapping) {
			continue
		}
		if len(views) == limit {
			return views, marker{name: views[limit-1].UUID}.encode(), nil
		}
		views = append(views, c.mappingView(record.Mapping))
	}
	return views, "", nil
}

// setTarget makes a mapping invoke what a reference names, which must be there.
func (c *Control) setTarget(m *lambda.Mapping, ref lambda.Ref) error {
	if err := c.resolve(ref); err != nil {
		return err
	}
	record, ok := c.catalog.Function(ref.Name)
	if !ok || record.Function.Resolve(ref.Qualifier) == nil {
		return lambda.Errorf(lambda.CodeInvalidParameterValue, "Function does not exist")
	}
	m.Function, m.Qualifier = ref.Name, ref.Qualifier
	return nil
}

// checkUnique refuses a second mapping of a source to a function: it would
// process each record twice. The caller holds c.mapping.
func (c *Control) checkUnique(m *lambda.Mapping) error {
	for _, r := range c.catalog.Mappings() {
		other := r.Mapping
		if other.UUID == m.UUID || other.Function != m.Function || other.Qualifier != m.Qualifier || !overlap(&m.Source, &other.Source) {
			continue
		}
		return c.duplicate(m, other.UUID)
	}
	return nil
}

func overlap(a, b *lambda.EventSource) bool {
	if a.Kind() != b.Kind() || a.ARN != b.ARN {
		return false
	}
	shared := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
	}
	switch {
	case a.Kind() == lambda.SourceSelfManagedKafka:
		return shared(a.Endpoints, b.Endpoints) && shared(a.Topics, b.Topics)
	case a.Kind().IsKafka():
		return shared(a.Topics, b.Topics)
	case a.Kind() == lambda.SourceMQ:
		return shared(a.Queues, b.Queues)
	default:
		return true
	}
}

// duplicate is worded, as recorded, in a way of its own for each kind of source.
func (c *Control) duplicate(m *lambda.Mapping, uuid string) error {
	name := m.Function
	if m.Qualifier != "" {
		name += ":" + m.Qualifier
	}
	const advice = "Please update or delete the existing mapping with UUID "
	switch kind := m.Source.Kind(); {
	case kind == lambda.SourceSQS:
		return lambda.Errorf(lambda.CodeResourceConflict,
			`An event source mapping with SQS arn (" %s ") and function (" %s ") already exists. `+advice+"%s", m.Source.ARN, name, uuid)
	case kind.IsKafka():
		source := m.Source.ARN
		if kind == lambda.SourceSelfManagedKafka {
			source = strings.Join(m.Source.Endpoints, ",")
		}
		return lambda.Errorf(lambda.CodeResourceConflict,
			`An event source mapping with event source ("%s"), function ("%s"), topics ("%s") already exists. `+advice+"%s",
			source, c.scope.FunctionARN(m.Function, m.Qualifier), strings.Join(m.Source.Topics, ","), uuid)
	default:
		return lambda.Errorf(lambda.CodeResourceConflict,
			`The event source arn (" %s ") and function (" %s ") provided mapping already exists. `+advice+"%s", m.Source.ARN, name, uuid)
	}
}

// settling brings changes of event source mappings to their end.
type settling struct {
	*line
	catalog *catalog.Catalog
	logger  *slog.Logger
}

func startSettling(ctx context.Context, o Options) *settling {
	s := &settling{catalog: o.Catalog, logger: o.Logger}
	s.line = startLine(ctx, 1, o.Settle, s.bring)
	for _, r := range o.Catalog.Mappings() {
		if !r.Mapping.Settled() {
			s.add(r.Mapping.UUID)
		}
	}
	return s
}

// bring settles one mapping. One that changes meanwhile is looked at again; one
// that is gone is done.
func (s *settling) bring(ctx context.Context, uuid string) {
	tries := 0
	for {
		record, ok := s.catalog.Mapping(uuid)
		if !ok || record.Mapping.Settled() {
			return
		}
		err := s.settleOne(ctx, record)
		if err == nil {
			return
		}
		pause := conflictPause
		if !errors.Is(err, store.ErrConflict) {
			pause = activationPause
			tries++
		}
		if tries == activationTries {
			s.logger.Error("event source mapping not settled; it will be at the next start",
				slog.String("uuid", uuid), slog.Any("error", err))
			return
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

func (s *settling) settleOne(ctx context.Context, record catalog.MappingRecord) error {
	m := *record.Mapping
	if m.State == lambda.MappingDeleting {
		return s.catalog.DeleteMapping(ctx, m.UUID, record.Revision)
	}
	m.State = lambda.MappingDisabled
	if m.Enabled {
		m.State = lambda.MappingEnabled
	}
	if _, err := s.catalog.PutMapping(ctx, &m, record.Revision); err != nil {
		return err
	}
	if m.State == lambda.MappingEnabled { // what the mapping shows is only what is wanted
		s.logger.Warn("event source mapping enabled, but this server does not read from event sources yet",
			slog.String("uuid", m.UUID), slog.String("function", m.Function))
	}
	return nil
}
