package awsapi

import (
	"bytes"
	"encoding/xml"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"thaw/internal/lambda"
)

// queryType is the content type of requests of awsQuery, and queryAnswer of
// answers.
const (
	queryType   = "application/x-www-form-urlencoded"
	queryAnswer = "text/xml"
)

// maxQueryMembers bounds the elements of a list in a form.
const maxQueryMembers = 200

// Query is a request of awsQuery: a form whose Action chooses the operation, and
// whose Version tells the service.
type Query struct {
	Action, Version string
	values          url.Values
}

// IsQuery tells requests of awsQuery from those of other protocols: they name
// neither operation nor resource outside of their bodies.
func IsQuery(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == queryType && r.Method == http.MethodPost && r.URL.Path == "/"
}

// ParseQuery reads the body of a request.
func ParseQuery(body []byte) (Query, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return Query{}, malformed("Could not parse the form")
	}
	return Query{Action: values.Get("Action"), Version: values.Get("Version"), values: values}, nil
}

// Text is the value of a member; ok is false if it is absent.
func (q Query) Text(name string) (text string, ok bool) {
	if !q.values.Has(name) {
		return "", false
	}
	return q.values.Get(name), true
}

// Members is the list of values of a member: "Name.member.1" and so on, each with
// what is below it: "Name.member.1.Key".
func (q Query) Members(name, below string) (list []string) {
	for i := 1; i <= maxQueryMembers; i++ {
		text, ok := q.Text(name + ".member." + strconv.Itoa(i) + below)
		if !ok {
			break
		}
		list = append(list, text)
	}
	return list
}

// EncodeQuery makes the answer of an operation. output is a structure whose fields
// have tags of package xml, or nil for an operation without one.
func EncodeQuery(q Query, namespace, requestID string, output any) (*Response, error) {
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	start := xml.StartElement{Name: xml.Name{Local: q.Action + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}}
	if err := e.EncodeToken(start); err != nil {
		return nil, err
	}
	if output != nil {
		if err := e.EncodeElement(output, xml.StartElement{Name: xml.Name{Local: q.Action + "Result"}}); err != nil {
			return nil, err
		}
	}
	metadata := struct{ RequestId string }{requestID}
	if err := e.EncodeElement(metadata, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}); err != nil {
		return nil, err
	}
	if err := e.EncodeToken(start.End()); err != nil {
		return nil, err
	}
	if err := e.Flush(); err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {queryAnswer}}, Body: b.Bytes()}, nil
}

// QueryFault is how an error is named by services of awsQuery.
type QueryFault struct {
	Code   string
	Status int
}

// EncodeQueryError makes the answer of an error, under the name that fault gives it.
func EncodeQueryError(fault QueryFault, namespace, requestID string, e *lambda.Error) *Response {
	kind := (&Fault{Status: fault.Status}).blame()
	var message bytes.Buffer
	_ = xml.EscapeText(&message, []byte(e.Message)) // a buffer takes everything
	body := `<ErrorResponse xmlns="` + namespace + `"><Error><Type>` + kind + `</Type><Code>` + fault.Code + `</Code><Message>` +
		message.String() + `</Message></Error><RequestId>` + requestID + `</RequestId></ErrorResponse>`
	return &Response{Status: fault.Status, Header: http.Header{"Content-Type": {queryAnswer}}, Body: []byte(body)}
}
