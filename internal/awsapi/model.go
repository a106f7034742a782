package awsapi

// Kind is the type of a shape.
type Kind uint8

// The kinds of the model. A Go value of each, in the generated structures:
// *struct, []T, map[string]T, *string, *int, *int64, *float64, *bool, []byte,
// *time.Time. Inside lists and maps, T is the bare type.
const (
	Structure Kind = iota
	List
	Map
	String
	Integer
	Long
	Double
	Boolean
	Blob
	Timestamp
)

// ShapeID is a shape's index in its service's table.
type ShapeID uint16

// Bound is one end of a length or a range.
type Bound struct {
	Set   bool
	Value float64
}

// Shape describes a value.
type Shape struct {
	Name string
	Kind Kind

	Members []Member // of a structure, in the order of the Go structure's fields
	Payload int      // 1 + index of the member that is the whole body; 0 if none

	Key     ShapeID // of a map
	Element ShapeID // of a list, or a map's values

	// Min and Max bound a string's UTF-16 units, a blob's bytes, a list's or
	// map's entries, a number's value.
	Min, Max Bound
	// Pattern must match the whole string; empty means none. The text is a Java
	// expression and is shown to clients as it stands.
	Pattern string
	Enum    []string
	// Sparse lists may hold null; the texts of their constraints do not say
	// "Member must not be null".
	Sparse bool
	// Sensitive values are not repeated in messages.
	Sensitive bool
	// Flat is the name that each entry of a list or map has in awsQuery, in the place
	// of the member's; empty if they are below the member. KeyName and ValueName are of
	// such a map.
	Flat, KeyName, ValueName string
}

// Location is where a member travels.
type Location uint8

const (
	InBody Location = iota
	InLabel
	InQuery
	InHeader
	InStatus
)

// Member is one member of a structure.
type Member struct {
	Name     string
	Shape    ShapeID
	In       Location
	Wire     string // name of label, query parameter or header; in the body it is Name
	Required bool
	// ByService means that the service, not the front end, checks the value.
	ByService bool
	// Told are the possible values that an error names, where they are not those
	// that are taken.
	Told []string
}

// WireName is the member's name on the wire.
func (m *Member) WireName() string {
	if m.Wire != "" {
		return m.Wire
	}
	return m.Name
}

// Operation binds shapes to a route.
type Operation struct {
	Name   string
	Method string
	// Path has {Name} for a label, and may end in a fixed ?name=value.
	Path   string
	Status int // of success
	// Input and Output are structures; HasOutput is false for an empty answer.
	Input, Output ShapeID
	HasOutput     bool
	// MaxBody is the largest request body taken, in bytes.
	MaxBody int64
	// NewInput makes the Go value of Input: a pointer to a structure.
	NewInput func() any
	// NewOutput makes the Go value of Output; nil if there is none.
	NewOutput func() any
}

// Fault is an error that clients know by name.
type Fault struct {
	Code   string
	Status int
	// MessageKey is the body's member for the text: "message" or "Message".
	MessageKey string
	// Plain faults come from the front end: their bodies have no Type.
	Plain bool
	// Query is the code that awsQuery has for it, where it is another.
	Query string
}

// Service is the tables of one service.
type Service struct {
	Name string // "lambda", as in signatures
	// Target is set for services whose operations have no paths of their own: all
	// members travel in the body. In awsJson the header X-Amz-Target chooses the
	// operation, "Target.Operation". Other services speak restJson1.
	Target string
	// JSONVersion is that of awsJson; empty is 1.1.
	JSONVersion string
	// QueryVersion is the Version of requests of awsQuery, empty for a service that
	// does not speak it; XMLNamespace is that of the answers.
	QueryVersion, XMLNamespace string
	// QueryCompatible services tell the code that awsQuery has for an error in a
	// header of their answers in the other protocols.
	QueryCompatible bool
	// ErrorPrefix comes before the code in the bodies of errors.
	ErrorPrefix string
	Shapes      []Shape
	Operations  []Operation
	Faults      []Fault // sorted by Code
}

func (s *Service) shape(id ShapeID) *Shape { return &s.Shapes[id] }
