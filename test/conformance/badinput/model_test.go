package badinput_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"thaw/internal/awsapi"
	model "thaw/internal/awsapi/gen/lambda"
)

// maxSize bounds the values that are generated, in bytes or elements.
const maxSize = 100_000

// tables is the service's model.
type tables struct {
	service *awsapi.Service
	// matchers are of the patterns, by their text.
	matchers sync.Map
}

func newTables() *tables { return &tables{service: model.Service()} }

func (t *tables) shape(id awsapi.ShapeID) *awsapi.Shape { return &t.service.Shapes[id] }

// matches tells whether a text is of a pattern. Go cannot compile those that look
// around: of what only that part refuses, the samples are known.
func (t *tables) matches(pattern, text string) bool {
	m, ok := t.matchers.Load(pattern)
	if !ok {
		m, _ = t.matchers.LoadOrStore(pattern, regexp.MustCompile(`\A(?:`+straight(pattern)+`)\z`))
	}
	return m.(*regexp.Regexp).MatchString(text) && !slices.Contains(lookedAround(pattern), text)
}

// straight is a pattern without the parts that look around.
func straight(pattern string) string {
	for _, part := range []string{`(?!^[0-9]+$)`, `(?!^\d+$)`, `(?!(system\x2e))`, `(?<!\.)`, `(?!\d+$)`} {
		pattern = strings.ReplaceAll(pattern, part, "")
	}
	return pattern
}

// lookedAround are samples of what a pattern refuses only because it looks around.
func lookedAround(pattern string) []string {
	switch {
	case strings.Contains(pattern, `(?!^[0-9]+$)`), strings.Contains(pattern, `(?!^\d+$)`):
		return []string{"7"}
	case strings.Contains(pattern, `(?!(system\x2e))`):
		return []string{"system.c"}
	case strings.Contains(pattern, `(?<!\.)`):
		return []string{"bucket."}
	case strings.Contains(pattern, `(?!\d+$)`):
		return []string{"arn:aws:lambda:us-east-1:111111111111:function:f:7"}
	default:
		return nil
	}
}

// size is what lengths and ranges bound.
func size(value any) float64 {
	switch v := value.(type) {
	case string:
		return float64(len(utf16.Encode([]rune(v))))
	case int64:
		return float64(v)
	case float64:
		return v
	case []byte:
		return float64(len(v))
	case []any:
		return float64(len(v))
	case map[string]any:
		return float64(len(v))
	default:
		return 0
	}
}
