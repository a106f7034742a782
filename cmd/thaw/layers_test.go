package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
)

const fakeLayerARN = "arn:aws:lambda:us-east-1:000000000000:layer:"

// fakeLayers answers the operations of layers; a function that has them shows
// their ARNs.
type fakeLayers struct {
	versions map[string][]map[string]any // by name, oldest first
	last     map[string]int
}

func (l *fakeLayers) handle(mux *http.ServeMux) {
	l.versions, l.last = map[string][]map[string]any{}, map[string]int{}
	mux.HandleFunc("POST /2018-10-31/layers/{layer}/versions", l.publish)
	mux.HandleFunc("GET /2018-10-31/layers", l.list)
	mux.HandleFunc("GET /2018-10-31/layers/{layer}/versions", l.listVersions)
	mux.HandleFunc("GET /2018-10-31/layers/{layer}/versions/{version}", l.get)
	mux.HandleFunc("DELETE /2018-10-31/layers/{layer}/versions/{version}", l.remove)
}

func (l *fakeLayers) publish(w http.ResponseWriter, r *http.Request) {
	name, body := r.PathValue("layer"), decode(r)
	content, _ := base64.StdEncoding.DecodeString(body["Content"].(map[string]any)["ZipFile"].(string))
	l.last[name]++
	v := map[string]any{
		"LayerVersionArn": fakeLayerARN + name + ":" + strconv.Itoa(l.last[name]), "Version": l.last[name], "Description": "",
		"CreatedDate": "2026-01-02T03:04:05.000+0000", "Content": map[string]any{"CodeSize": len(content), "CodeSha256": "c2hh"},
	}
	for _, member := range []string{"Description", "CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"} {
		if body[member] != nil {
			v[member] = body[member]
		}
	}
	l.versions[name] = append(l.versions[name], v)
	answer(w, http.StatusCreated, v)
}

func (l *fakeLayers) list(w http.ResponseWriter, _ *http.Request) {
	layers := []any{}
	for name, versions := range l.versions {
		if len(versions) > 0 {
			layers = append(layers, map[string]any{"LayerName": name, "LatestMatchingVersion": versions[len(versions)-1]})
		}
	}
	slices.SortFunc(layers, func(a, b any) int { return len(fmt.Sprint(a)) - len(fmt.Sprint(b)) })
	answer(w, http.StatusOK, map[string]any{"Layers": layers})
}

// listVersions answers one version per page, so that paging is needed.
func (l *fakeLayers) listVersions(w http.ResponseWriter, r *http.Request) {
	versions := slices.Clone(l.versions[r.PathValue("layer")])
	slices.Reverse(versions)
	at, _ := strconv.Atoi(r.URL.Query().Get("Marker"))
	page := map[string]any{"LayerVersions": []any{}}
	if at < len(versions) {
		page["LayerVersions"] = versions[at : at+1]
	}
	if at+1 < len(versions) {
		page["NextMarker"] = strconv.Itoa(at + 1)
	}
	answer(w, http.StatusOK, page)
}

func (l *fakeLayers) index(r *http.Request) int {
	return slices.IndexFunc(l.versions[r.PathValue("layer")], func(v map[string]any) bool {
		return fmt.Sprint(v["Version"]) == r.PathValue("version")
	})
}

func (l *fakeLayers) get(w http.ResponseWriter, r *http.Request) {
	i := l.index(r)
	if i < 0 {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Message", "The resource you requested does not exist.")
		return
	}
	answer(w, http.StatusOK, l.versions[r.PathValue("layer")][i])
}

func (l *fakeLayers) remove(w http.ResponseWriter, r *http.Request) {
	if i := l.index(r); i >= 0 {
		name := r.PathValue("layer")
		l.versions[name] = slices.Delete(l.versions[name], i, i+1)
	}
	w.WriteHeader(http.StatusNoContent)
}

// attachedLayers is how an answer shows a function's layers.
func attachedLayers(arns any) any {
	shown := []any{}
	for _, arn := range arns.([]any) {
		shown = append(shown, map[string]any{"Arn": arn, "CodeSize": 1})
	}
	return shown
}

func TestParseLayerVersion(t *testing.T) {
	for s, want := range map[string]layerVersion{
		"l:1": {"l", 1}, fakeLayerARN + "l:12": {fakeLayerARN + "l", 12},
		"l": {}, "l:": {}, ":1": {}, "l:0": {}, "l:-1": {}, "l:one": {}, "": {}, fakeLayerARN + "l": {},
	} {
		got, err := parseLayerVersion(s)
		if got != want || (err == nil) != (want != layerVersion{}) {
			t.Errorf("%q is %+v, %v", s, got, err)
		}
	}
}
