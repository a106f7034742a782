package awsapi

import (
	"net/url"
	"strings"
)

// maxLabels is the most labels that a route has.
const maxLabels = 3

// Route is an operation and what its labels said, unescaped.
type Route struct {
	Operation *Operation
	Labels    [maxLabels]string // in the path's order
}

// Router finds operations. It works on the escaped path, so that an escaped
// slash or colon in a label is a part of the label.
type Router struct {
	root   *node
	labels map[*Operation]int // how many
}

// node is one position of a path. A fixed segment wins over a label.
type node struct {
	fixed map[string]*node
	label *node
	ends  []end
}

// end is an operation whose path ends at a node.
type end struct {
	method string
	query  string // fixed query, "" or "find=LayerVersion"
	op     *Operation
}

// NewRouter makes a Router for all operations of a service.
func NewRouter(s *Service) *Router {
	r := &Router{root: new(node), labels: make(map[*Operation]int, len(s.Operations))}
	for i := range s.Operations {
		r.add(&s.Operations[i])
	}
	return r
}

func (r *Router) add(op *Operation) {
	path, query, _ := strings.Cut(op.Path, "?")
	r.labels[op] = len(op.labels())
	at := r.root
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if strings.HasPrefix(segment, "{") {
			if at.label == nil {
				at.label = new(node)
			}
			at = at.label
			continue
		}
		if at.fixed == nil {
			at.fixed = map[string]*node{}
		}
		if at.fixed[segment] == nil {
			at.fixed[segment] = new(node)
		}
		at = at.fixed[segment]
	}
	at.ends = append(at.ends, end{op.Method, query, op})
}

// labels are the names of the path's labels, in its order.
func (op *Operation) labels() []string {
	path, _, _ := strings.Cut(op.Path, "?")
	var names []string
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// Find routes a request line; path and query are as they were sent, escaped. A
// slash at the path's end is ignored: older clients send it. ok is false if no
// operation is there, or a label cannot be unescaped.
func (r *Router) Find(method, path, query string) (route Route, ok bool) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return Route{}, false
	}
	rest = strings.TrimSuffix(rest, "/")
	var raw [maxLabels]string
	at, ok := r.root.walk(rest, &raw, 0)
	if !ok {
		return Route{}, false
	}
	route.Operation = at.end(method, query)
	if route.Operation == nil {
		return Route{}, false
	}
	for i := range r.labels[route.Operation] {
		if route.Labels[i], ok = unescapeLabel(raw[i]); !ok {
			return Route{}, false
		}
	}
	return route, true
}

// walk follows a path to a node that ends an operation.
func (n *node) walk(path string, labels *[maxLabels]string, used int) (*node, bool) {
	segment, rest, more := strings.Cut(path, "/")
	if next := n.fixed[segment]; next != nil {
		if found, ok := next.arrive(rest, more, labels, used); ok {
			return found, true
		}
	}
	if n.label == nil || segment == "" || used == maxLabels {
		return nil, false
	}
	labels[used] = segment
	return n.label.arrive(rest, more, labels, used+1)
}

func (n *node) arrive(rest string, more bool, labels *[maxLabels]string, used int) (*node, bool) {
	if more {
		return n.walk(rest, labels, used)
	}
	return n, len(n.ends) > 0
}

// end chooses by method and fixed query; an operation with a fixed query wins.
func (n *node) end(method, query string) *Operation {
	var plain *Operation
	for _, e := range n.ends {
		switch {
		case e.method != method:
		case e.query == "":
			plain = e.op
		case hasPair(query, e.query):
			return e.op
		}
	}
	return plain
}

func hasPair(query, pair string) bool {
	for part := range strings.SplitSeq(query, "&") {
		if part == pair {
			return true
		}
	}
	return false
}

func unescapeLabel(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	plain, err := url.PathUnescape(s)
	return plain, err == nil
}
