package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// model is what botocore's service-2.json says, less its prose.
type model struct {
	Metadata struct {
		SigningName, EndpointPrefix, ServiceID string
		Protocol, JSONVersion, TargetPrefix    string
		APIVersion, XMLNamespace               string
		// Protocols are all that the service speaks; Protocol is the one preferred.
		Protocols []string
		// AWSQueryCompatible is there if errors keep the codes of awsQuery.
		AWSQueryCompatible *struct{}
	} `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`

	source string // "botocore 1.43.127"
	name   string // of the package: "lambda"
	extra  map[string]fault
	query  map[string]queryFault
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *ref  `json:"input"`
	Output *ref  `json:"output"`
	Errors []ref `json:"errors"`

	maxBody int64
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type      string   `json:"type"`
	Members   members  `json:"members"`
	Required  []string `json:"required"`
	Payload   string   `json:"payload"`
	Member    *ref     `json:"member"`
	Key       *ref     `json:"key"`
	Value     *ref     `json:"value"`
	Min       *float64 `json:"min"`
	Max       *float64 `json:"max"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Sensitive bool     `json:"sensitive"`
	Exception bool     `json:"exception"`
	Fault     bool     `json:"fault"`
	Error     *struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
	} `json:"error"`

	sparse bool
	flat   []string
}

type member struct {
	Name         string `json:"-"`
	Shape        string `json:"shape"`
	Location     string `json:"location"`
	LocationName string `json:"locationName"`

	byService bool
	told      []string
}

// members keeps the order of the document: validation reports faults in it.
type members []*member

func (m *members) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		one := &member{Name: name.(string)}
		if err := d.Decode(one); err != nil {
			return err
		}
		*m = append(*m, one)
	}
	return nil
}

func (s *shape) member(name string) *member {
	for _, m := range s.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// readModel takes the service's description out of a wheel; path is
// "lambda/2015-03-31".
func readModel(wheel, path string) (*model, error) {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	data, err := readPacked(&z.Reader, "botocore/data/"+path+"/service-2.json")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", wheel, err)
	}
	m := new(model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", wheel, err)
	}
	parts := strings.Split(filepath.Base(wheel), "-")
	if len(parts) < 2 {
		return nil, fmt.Errorf("%s does not name its version", wheel)
	}
	m.name, _, _ = strings.Cut(path, "/")
	m.source = parts[0] + " " + parts[1]
	return m, nil
}

func readPacked(z *zip.Reader, name string) ([]byte, error) {
	if f, err := z.Open(name); err == nil {
		defer f.Close()
		return io.ReadAll(f)
	}
	f, err := z.Open(name + ".gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}
