package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
)

// listen opens the server's socket. It is the first thing that a server does: a
// port that is taken must not cost the start of everything else.
func listen(c Config) (net.Listener, error) {
	listener, err := takeSocket(c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		by := "another process"
		if holder, ok := localServer(c.Listen, append(knownDataDirs(), c.Data)); ok {
			by = fmt.Sprintf("thaw serve, process %d", holder.PID)
		}
		return nil, &codedError{exitLocal, fmt.Errorf("%s is in use by %s: end it, or choose another address with --listen", c.Listen, by)}
	}
	if err != nil {
		return nil, &codedError{exitLocal, fmt.Errorf("--listen %s: %w", c.Listen, err)}
	}
	return listener, nil
}

// inUse names the server that has the data directory, where that is why another
// cannot be opened on it.
func inUse(dataDir string, err error) error {
	holder, readErr := readServerFile(dataDir)
	if !errors.Is(err, syscall.EWOULDBLOCK) || readErr != nil || !holder.running() {
		return err
	}
	return &codedError{exitLocal, fmt.Errorf("the data directory %s is in use by thaw serve, process %d, which listens on %s", dataDir, holder.PID, holder.Address)}
}

// localServer finds, among the servers of some data directories, the running one
// that a client reaches at an address.
func localServer(address string, dataDirs []string) (serverFile, bool) {
	for _, dir := range dataDirs {
		if server, err := readServerFile(dir); err == nil && server.running() && sameAddress(address, server.Address) {
			return server, true
		}
	}
	return serverFile{}, false
}

// sameAddress tells whether two addresses of this machine are one: a server that
// listens on every address is reached by the loopback's too.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB {
		return false
	}
	return hostA == hostB || isHere(hostA) && isHere(hostB)
}

// isHere is true of the loopback's names and of "every address".
func isHere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// endpointAddress is the host and port of an endpoint.
func endpointAddress(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", usageError("the endpoint %q, which AWS_ENDPOINT_URL names, is no address such as http://%s", endpoint, defaultListen)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
