package main

import (
	"context"
	"fmt"
	"path/filepath"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"thaw/internal/control"
	"thaw/internal/s3"
)

// sourcing is where code comes from besides requests, and how much is kept.
type sourcing struct {
	Endpoint   string // of S3; empty: code comes in requests only
	Region     string // empty: by the standard variables and files, or else the server's
	StorageMiB int
}

// maxStorageMiB bounds --code-storage: a pebibyte.
const maxStorageMiB = 1 << 30

func (c *sourcing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.Endpoint, "s3-endpoint", "",
		"`URL` of the S3, or what is compatible with it, from which code and layers are fetched and to which records of failures go, by the standard AWS variables and profiles (default none)")
	cmd.Flags().StringVar(&c.Region, "s3-region", "", "region of that S3 (default $AWS_REGION, the profile's, or --region)")
	numberFlag(cmd, &c.StorageMiB, "code-storage", int(control.DefaultQuotas.CodeStorage>>20), 1, maxStorageMiB,
		"MiB of zipped code that all versions of functions and layers may have in sum")
}

func (c *sourcing) check() error {
	if c.Endpoint == "" {
		if c.Region != "" {
			return usageError("--s3-region says nothing without --s3-endpoint")
		}
		return nil
	}
	if _, err := s3.Endpoint(c.Endpoint); err != nil {
		return usageError("--s3-endpoint: %v", err)
	}
	return nil
}

// objects is what fetches code from S3; nil if nothing is to be fetched.
func (s *server) objects(ctx context.Context) (control.Objects, error) {
	if err := s.openObjects(ctx); err != nil || s.s3 == nil {
		return nil, err
	}
	return s.s3, nil
}

// openObjects opens the client of S3, if there is one to be. Credentials are looked
// for when the first object is fetched: a profile may change.
func (s *server) openObjects(ctx context.Context) error {
	c := s.config.Sourcing
	if c.Endpoint == "" {
		return nil
	}
	standard, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("read the AWS configuration for --s3-endpoint: %w", err)
	}
	region := c.Region
	if region == "" {
		region = standard.Region
	}
	if region == "" {
		region = s.config.Scope.Region
	}
	s.s3, err = s3.Open(s3.Options{
		Endpoint: c.Endpoint, Region: region, Credentials: standard.Credentials, Dir: filepath.Join(s.config.Data, "incoming"),
	})
	if err != nil {
		return err
	}
	s.onClose(ignoringContext(s.s3.Close))
	s.logger.Info("code is fetched from S3, too", "endpoint", c.Endpoint, "region", region)
	return nil
}
