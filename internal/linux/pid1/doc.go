// Package pid1 is the conversation between the daemon and its small helper
// program thaw-init: the messages, their encoding, and the socket they travel on.
//
// thaw-init has two lives. As the spawner it is one child of the daemon, with a
// mount namespace of its own: it is told the root tree (Root) and then starts
// sandboxes (Spawn). As PID 1 of a sandbox it is prepared once (Prepare, answered
// by Ready with the network namespace), and then starts processes (Start,
// answered by Started or Failed), sends signals (Signal, not answered), kills
// everything (Reset, answered by Done), and tells of every end (Exited).
//
// One message is one SOCK_SEQPACKET packet of at most MaxMessage bytes, its
// descriptors with it. The end of the stream is the death of the other side:
// PID 1 then exits, which ends its sandbox.
//
// The package must stay light, for its memory counts in every sandbox: no fmt,
// no reflection, no os.
package pid1
