package code

import "thaw/internal/lambda"

// Limits bounds what a package may be. A zero field means its default.
type Limits struct {
	// Zipped is the largest zip, in bytes. Default: lambda.MaxZip.
	Zipped int64
	// Unzipped is the largest sum of the unpacked files, in bytes. Default:
	// lambda.MaxUnzipped.
	Unzipped int64
	// Entries is the largest number of files, directories and links, those
	// directories included that are only part of a name. Default 100,000.
	Entries int
	// Directory is the largest size of the zip's central directory, in bytes: it
	// is read whole, before its entries can be counted. Default 16 MiB.
	Directory int64
	// Ratio is how many bytes one compressed byte may become, for the package as
	// a whole. Default 1,100, a little above what deflate can do (1,032), since
	// the service accepts files that are one long run of the same byte.
	Ratio int64
	// Depth is the largest number of path elements of a name. Default 128.
	Depth int
	// Parallel is how many trees may be made at the same time. Default 2.
	Parallel int
}

// maxLink is the longest target of a symbolic link in bytes: PATH_MAX less the
// byte that ends it.
const maxLink = 4095

// maxElement is the longest element of a path, in bytes: NAME_MAX.
const maxElement = 255

// maxName is the longest name of an entry, in bytes; beyond it the kernel takes
// no path, and the tree's own directory is in front of it.
const maxName = 3072

func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	defInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Zipped, lambda.MaxZip)
	def(&l.Unzipped, lambda.MaxUnzipped)
	def(&l.Directory, 16<<20)
	def(&l.Ratio, 1100)
	defInt(&l.Entries, 100_000)
	defInt(&l.Depth, 128)
	defInt(&l.Parallel, 2)
	return l
}

// The answers to a package that is not accepted, as recorded from the service.

func errBadZip() error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue,
		"Could not unzip uploaded file. Please check your file, then try to upload again.")
}

func errEmptyZip() error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue, "Uploaded file must be a non-empty zip")
}

func (l Limits) errZipped() error {
	return lambda.Errorf(lambda.CodeRequestEntityTooLarge,
		"Zipped size must be smaller than %d bytes", l.Zipped)
}

func (l Limits) errUnzipped() error {
	return lambda.Errorf(lambda.CodeInvalidParameterValue,
		"Unzipped size must be smaller than %d bytes", l.Unzipped)
}
