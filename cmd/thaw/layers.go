package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/spf13/cobra"
)

func newLayersCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "layers [NAME]",
		Short: "List layers, publish and delete versions of them",
		Long: `List the layers, each with its newest version, or all versions of one.

A layer is files that functions share: its content appears at /opt, with that of
the function's other layers, of which the later wins. "thaw deploy --layer" gives
it to a function.`,
		Example: `  thaw layers
  thaw layers publish ./libs --name libs --runtime python3.12
  thaw deploy ./hello --layer libs
  thaw layers rm libs:1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := conn.target()
			if err != nil {
				return err
			}
			var listed []listedLayer
			if len(args) == 1 {
				listed, err = layerVersions(cmd.Context(), t.client(), args[0])
			} else {
				listed, err = newestLayers(cmd.Context(), t.client())
			}
			if err != nil {
				return err
			}
			return printLayers(cmd.OutOrStdout(), listed, conn.json)
		},
	}
	conn.addFlags(cmd)
	cmd.AddCommand(newPublishLayerCommand(), newRemoveLayersCommand())
	return cmd
}

type listedLayer struct {
	Layer         string   `json:"layer"`
	Version       int64    `json:"version"`
	ARN           string   `json:"arn"`
	Description   string   `json:"description,omitempty"`
	Runtimes      []string `json:"runtimes,omitempty"`
	Architectures []string `json:"architectures,omitempty"`
	Created       string   `json:"created"`
}

func newListedLayer(name string, v *types.LayerVersionsListItem) listedLayer {
	return listedLayer{
		Layer:         name,
		Version:       v.Version,
		ARN:           aws.ToString(v.LayerVersionArn),
		Description:   aws.ToString(v.Description),
		Runtimes:      texts(v.CompatibleRuntimes),
		Architectures: texts(v.CompatibleArchitectures),
		Created:       aws.ToString(v.CreatedDate),
	}
}

func texts[T ~string](list []T) []string {
	var all []string
	for _, s := range list {
		all = append(all, string(s))
	}
	return all
}

func newestLayers(ctx context.Context, client *sdk.Client) ([]listedLayer, error) {
	listed := []listedLayer{}
	pages := sdk.NewListLayersPaginator(client, &sdk.ListLayersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, l := range page.Layers {
			listed = append(listed, newListedLayer(aws.ToString(l.LayerName), l.LatestMatchingVersion))
		}
	}
	return listed, nil
}

func layerVersions(ctx context.Context, client *sdk.Client, name string) ([]listedLayer, error) {
	listed := []listedLayer{}
	pages := sdk.NewListLayerVersionsPaginator(client, &sdk.ListLayerVersionsInput{LayerName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for i := range page.LayerVersions {
			listed = append(listed, newListedLayer(name, &page.LayerVersions[i]))
		}
	}
	return listed, nil
}

func printLayers(w io.Writer, layers []listedLayer, asJSON bool) error {
	if asJSON {
		return printJSON(w, layers)
	}
	rows := [][]string{{"LAYER", "VERSION", "DESCRIPTION", "FITS", "CREATED"}}
	for _, l := range layers {
		fits := strings.Join(append(slices.Clone(l.Runtimes), l.Architectures...), " ")
		rows = append(rows, []string{l.Layer, strconv.FormatInt(l.Version, 10), l.Description, fits, l.Created})
	}
	return printTable(w, rows)
}

// publication is the flags of "layers publish".
type publication struct {
	source, name           string
	description, license   string
	runtimes, architecture []string
}

func newPublishLayerCommand() *cobra.Command {
	var conn connection
	var p publication
	cmd := &cobra.Command{
		Use:   "publish DIR|ZIP",
		Short: "Publish a new version of a layer",
		Long: `Publish a new version of a layer from a directory or a zip file.

Its files appear below /opt. Libraries are found in python/ (or
python/lib/python3.12/site-packages/), nodejs/node_modules/ and java/lib/,
programs in bin/, shared libraries in lib/.`,
		Example: `  pip install --target libs/python requests
  thaw layers publish ./libs --runtime python3.12
  thaw layers publish tools.zip --name tools --description "jq and friends"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.source = args[0]
			content, err := p.content()
			if err != nil {
				return err
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			out, err := t.uploader(cmd.ErrOrStderr()).PublishLayerVersion(cmd.Context(), p.input(content))
			if err != nil {
				return err
			}
			return printPublished(cmd.OutOrStdout(), p.name, out, conn.json)
		},
	}
	conn.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&p.name, "name", "", "the layer's `name` (default: the directory's or the zip's)")
	flags.StringVar(&p.description, "description", "", "`text` that lists show")
	flags.StringVar(&p.license, "license", "", "`licence` of the content, such as MIT")
	flags.StringArrayVar(&p.runtimes, "runtime", nil, "a `runtime` that it fits, such as python3.12; may be repeated")
	flags.StringArrayVar(&p.architecture, "arch", nil, "an `architecture` that it fits: x86_64 or arm64; may be repeated")
	return cmd
}

func (p *publication) content() ([]byte, error) {
	_, isDir, err := sourceFS(p.source)
	if err != nil {
		return nil, err
	}
	if p.name == "" {
		if p.name, err = functionName(p.source); err != nil {
			return nil, err
		}
	}
	if isDir {
		return bundleDir(p.source, compressed)
	}
	return os.ReadFile(p.source)
}

func (p *publication) input(content []byte) *sdk.PublishLayerVersionInput {
	in := &sdk.PublishLayerVersionInput{LayerName: &p.name, Content: &types.LayerVersionContentInput{ZipFile: content}}
	if p.description != "" {
		in.Description = &p.description
	}
	if p.license != "" {
		in.LicenseInfo = &p.license
	}
	for _, r := range p.runtimes {
		in.CompatibleRuntimes = append(in.CompatibleRuntimes, types.Runtime(r))
	}
	for _, a := range p.architecture {
		in.CompatibleArchitectures = append(in.CompatibleArchitectures, types.Architecture(a))
	}
	return in
}

func printPublished(w io.Writer, name string, out *sdk.PublishLayerVersionOutput, asJSON bool) error {
	if asJSON {
		return printJSON(w, map[string]any{"layer": name, "version": out.Version, "arn": aws.ToString(out.LayerVersionArn),
			"code_size": out.Content.CodeSize, "code_sha256": aws.ToString(out.Content.CodeSha256)})
	}
	_, err := fmt.Fprintf(w, "published %s:%d  %d bytes\n", name, out.Version, out.Content.CodeSize)
	return err
}

func newRemoveLayersCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "rm NAME:VERSION...",
		Short: "Delete versions of layers",
		Long: `Delete versions of layers. Functions that have one keep it; no other can be given
it. A version's number is never used again.`,
		Example: `  thaw layers rm libs:1 libs:2`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			versions := make([]layerVersion, len(args))
			for i, arg := range args {
				var err error
				if versions[i], err = parseLayerVersion(arg); err != nil {
					return err
				}
			}
			t, err := conn.target()
			if err != nil {
				return err
			}
			client := t.client()
			for i, v := range versions {
				// One that is not there is deleted for the service; a person has mistyped.
				if _, err := client.GetLayerVersion(cmd.Context(), &sdk.GetLayerVersionInput{LayerName: &v.name, VersionNumber: &v.number}); err != nil {
					return refusedOf(args[i], err)
				}
				if _, err := client.DeleteLayerVersion(cmd.Context(), &sdk.DeleteLayerVersionInput{LayerName: &v.name, VersionNumber: &v.number}); err != nil {
					return refusedOf(args[i], err)
				}
			}
			if conn.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"deleted": args})
			}
			for _, arg := range args {
				fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", arg)
			}
			return nil
		},
	}
	conn.addFlags(cmd)
	return cmd
}

// layerVersion is what a person writes as NAME:VERSION.
type layerVersion struct {
	name   string
	number int64
}

func parseLayerVersion(s string) (layerVersion, error) {
	colon := strings.LastIndexByte(s, ':')
	if colon > 0 {
		if number, err := strconv.ParseInt(s[colon+1:], 10, 64); err == nil && number > 0 {
			return layerVersion{s[:colon], number}, nil
		}
	}
	return layerVersion{}, usageError("%q is not of the form NAME:VERSION", s)
}

// refusedOf tells what a refusal is about: the server's text may not.
func refusedOf(subject string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &codedError{exitCode(err), fmt.Errorf("%s: %s", subject, message(err))}
}

// checkLayerNames refuses what could name no layer, before anything is done.
func checkLayerNames(names []string) error {
	for _, name := range names {
		if strings.HasPrefix(name, "arn:") || !strings.Contains(name, ":") {
			continue
		}
		if _, err := parseLayerVersion(name); err != nil {
			return err
		}
	}
	return nil
}

// layerARNs finds the layer versions that flags name: by their ARNs, as
// NAME:VERSION, or as NAME for the newest.
func layerARNs(ctx context.Context, client *sdk.Client, names []string) ([]string, error) {
	arns := []string{}
	for _, name := range names {
		arn, err := layerARN(ctx, client, name)
		if err != nil {
			return nil, err
		}
		if arn != "" {
			arns = append(arns, arn)
		}
	}
	return arns, nil
}

func layerARN(ctx context.Context, client *sdk.Client, name string) (string, error) {
	switch {
	case name == "" || strings.HasPrefix(name, "arn:"):
		return name, nil
	case strings.Contains(name, ":"):
		v, err := parseLayerVersion(name)
		if err != nil {
			return "", err
		}
		out, err := client.GetLayerVersion(ctx, &sdk.GetLayerVersionInput{LayerName: &v.name, VersionNumber: &v.number})
		if err != nil {
			return "", refusedOf("layer "+name, err)
		}
		return aws.ToString(out.LayerVersionArn), nil
	}
	out, err := client.ListLayerVersions(ctx, &sdk.ListLayerVersionsInput{LayerName: &name, MaxItems: aws.Int32(1)})
	if err != nil {
		return "", refusedOf("layer "+name, err)
	}
	if len(out.LayerVersions) == 0 {
		return "", fmt.Errorf("there is no layer %s: publish it first, with thaw layers publish", name)
	}
	return aws.ToString(out.LayerVersions[0].LayerVersionArn), nil
}

func sameLayers(arns []string, current []types.Layer) bool {
	return slices.EqualFunc(arns, current, func(arn string, l types.Layer) bool { return arn == aws.ToString(l.Arn) })
}
