// Package code keeps the packages that functions run: content-addressed zips,
// and the trees they unpack to, ready to be mounted.
//
// Vocabulary. A package is a zip as it was uploaded, named by the SHA-256 of
// its bytes; equal uploads are one package. Its tree is the unpacked directory,
// what a function sees at /var/task. The zip lives in a blob store, the tree in
// this package's own directory:
//
//	DIR/trees/<hex of the digest>.<boot>/   a whole tree; its name is the proof
//	DIR/tmp/…                               a tree being made, removed by Open
//
// A tree comes into being by a rename, whole: so a server that dies leaves either
// no tree or a whole one. It is derived data: Root makes it again from the zip when
// it is missing. That is why its files are not synced to the disk, which would cost
// a deployment more than everything else together; instead its name has the
// kernel's boot id, and a tree of an earlier boot, whose files a power cut may have
// emptied, is made again when it is next asked for, and removed then. The tree of a package is made
// before its blob is written, so that every blob of a package that nobody uses
// can be found by its tree.
//
// A zip is hostile until proven otherwise. Nothing is written outside the tree
// (every write goes through os.Root, symbolic links are made last and checked
// one by one), and sizes are counted while decompressing: what the headers say
// is only used to refuse sooner.
//
// Whoever adds a package, or mounts its tree, holds it until Release. A package
// that nobody holds and nobody names is removed by Collect; who names packages
// is not this package's business.
//
// Concurrency: the methods of Packages may be called from many goroutines. A
// tree is made once at a time, and only a few trees at the same time. A tree is
// never changed once it has its name, and removed only by Collect and Sweep.
package code
