// Command awsapigen writes the tables and structures of a service's wire
// protocol, as package awsapi wants them, from botocore's description of the
// service and an overlay.
//
//	awsapigen -wheel build/model/botocore-….whl -overlay tools/awsapigen/lambda.json -out internal/awsapi/gen/lambda
//
// Nothing of the model's prose is kept. The overlay says what the model does not;
// generation fails where the model has come to say it too, so that the overlay
// shrinks as the model grows.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	wheel := flag.String("wheel", "", "botocore's wheel, as pip downloads it")
	overlay := flag.String("overlay", "", "overlay of the service")
	out := flag.String("out", "", "directory of the generated package")
	flag.Parse()
	if err := run(*wheel, *overlay, *out); err != nil {
		fmt.Fprintln(os.Stderr, "awsapigen:", err)
		os.Exit(1)
	}
}

func run(wheel, overlayPath, out string) error {
	files, err := generate(wheel, overlayPath)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the generated files by name.
func generate(wheel, overlayPath string) (map[string][]byte, error) {
	o, err := readOverlay(overlayPath)
	if err != nil {
		return nil, err
	}
	m, err := readModel(wheel, o.Path)
	if err != nil {
		return nil, err
	}
	if err := m.merge(o); err != nil {
		return nil, fmt.Errorf("merge %s: %w", overlayPath, err)
	}
	return emit(m)
}
