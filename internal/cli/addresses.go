package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
)

// addressKind is the syntax of an option's address.
type addressKind int

const (
	kindServer addressKind = iota // HOST:PORT of a server
	kindListen                    // HOST:PORT or :PORT to listen on
	kindSwitch                    // the same, or off
	kindHost                      // a host alone, or the path of a socket
	kindURL                       // avro://HOST:PORT or thrift://HOST:PORT
	kindDSN                       // a DSN, which package pool validates
	kindHTTP                      // http://HOST:PORT or https://HOST:PORT, which package registry validates
)

// addressOptions are the options that hold an address, or a list of them.
var addressOptions = map[string]addressKind{
	"kafka-brokers":     kindServer,
	"poll":              kindServer,
	"connect-socket":    kindServer,
	"avro-listen":       kindSwitch,
	"thrift-listen":     kindSwitch,
	"http-listen":       kindSwitch,
	"netcat-listen":     kindSwitch,
	"netcat-udp-listen": kindSwitch,
	"syslog-tcp-listen": kindSwitch,
	"syslog-udp-listen": kindSwitch,
	"admin-listen":      kindSwitch,
	"kafka-listen":      kindListen, // standalone's
	"mysql-listen":      kindListen,
	"mysql-host":        kindHost,
	"mysql-dsn":         kindDSN,
	"to":                kindURL,
	"schema-registry":   kindHTTP,
}

// addressOf returns the syntax of an option's address, and whether it is one. etl replay has a --to that is a time.
func addressOf(f *kong.Flag) (kind addressKind, ok bool) {
	kind, ok = addressOptions[f.Name]
	return kind, ok && (kind != kindURL || f.PlaceHolder == "URL")
}

// off disables a listener where an empty value cannot, as in a variable.
const off = "off"

// trimAddresses removes white space around every address, and replaces off by the empty address of a disabled listener.
func trimAddresses(ctx *kong.Context) {
	for _, f := range ctx.Flags() {
		kind, ok := addressOf(f)
		if !ok {
			continue
		}
		switch f.Target.Kind() {
		case reflect.String:
			s := strings.TrimSpace(f.Target.String())
			switch {
			case kind == kindSwitch && s == off:
				s = ""
			case kind == kindHost && strings.HasPrefix(s, "["):
				s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]") // as in host:port
			}
			f.Target.SetString(s)
		case reflect.Slice:
			list, _ := reflect.TypeAssert[[]string](f.Target)
			if some := trimmed(list); len(some) > 0 {
				f.Target.Set(reflect.ValueOf(some))
			}
		default:
			panic("BUG: --" + f.Name + " is no text")
		}
	}
}

// checkAddresses returns an error text for every invalid address, in the order of the options, and the set of these options.
func checkAddresses(ctx *kong.Context) (lines []string, bad map[*kong.Flag]bool) {
	bad = map[*kong.Flag]bool{}
	for _, f := range ctx.Flags() {
		kind, ok := addressOf(f)
		if !ok || kind == kindDSN || kind == kindHTTP {
			continue
		}
		verb, values := "is", []string{f.Target.String()}
		if list, ok := reflect.TypeAssert[[]string](f.Target); ok {
			verb, values = "holds", list
		}
		for _, v := range values {
			if v == "" && verb == "is" && kind != kindListen {
				continue // off or missing, which is validated elsewhere
			}
			if text := kind.check(v); text != "" {
				bad[f] = true
				lines = append(lines, fmt.Sprintf("--%s %s %q, %s%s", f.Name, verb, v, text, fromOrigin(ctx, f)))
			}
		}
	}
	return lines, bad
}

// check returns what is wrong with an address, "" if it is valid.
func (k addressKind) check(v string) string {
	want := map[addressKind]string{
		kindServer: "must be host:port", kindListen: "must be host:port or :port", kindHost: "must be a host, or the path of a socket",
		kindSwitch: "must be host:port, :port, or off",
		kindURL:    "must be avro://HOST:PORT or thrift://HOST:PORT",
	}[k]
	if isQuoted(v) {
		return want + ": remove the quotes, they are part of the value here"
	}
	var wrong string
	switch k {
	case kindServer:
		wrong = hostPort(v, 1)
	case kindListen, kindSwitch:
		wrong = hostPort(v, 0)
	case kindHost:
		wrong = hostAlone(v)
	case kindURL:
		u, err := url.Parse(v)
		switch {
		case err != nil || u.Scheme != "avro" && u.Scheme != "thrift", strings.Trim(u.Path, "/") != "",
			u.User != nil, u.RawQuery != "", u.Fragment != "":
			return want
		}
		wrong = hostPort(u.Host, 1)
	}
	if wrong == "" {
		return ""
	}
	return want + ": " + wrong
}

// isQuoted reports whether quotes surround the value: files of variables, as docker's --env-file reads them, keep them.
func isQuoted(v string) bool {
	return strings.HasPrefix(v, `"`) || strings.HasSuffix(v, `"`) || strings.HasPrefix(v, "'") || strings.HasSuffix(v, "'")
}

// hostPort returns what is wrong with host:port. A least port of 0 means an address to listen on, which needs no host.
func hostPort(v string, least int) string {
	if scheme, _, ok := strings.Cut(v, "://"); ok {
		return "remove " + strconv.Quote(scheme+"://")
	}
	host, port, err := net.SplitHostPort(v)
	switch {
	case err != nil && strings.Count(v, ":") > 1 && !strings.HasPrefix(v, "["):
		return "write an IPv6 address in brackets, [::1]:9092"
	case err != nil && (!strings.Contains(v, ":") || strings.HasSuffix(v, "]")):
		return "the port is missing"
	case err != nil:
		if bad, ok := errors.AsType[*net.AddrError](err); ok {
			return bad.Err // without the address, which is shown already
		}
		return err.Error()
	}
	switch bracketed := strings.HasPrefix(v, "["); {
	case host == "*" && least == 0:
		return "write :" + port + " for all addresses of the machine"
	case host == "" && !bracketed:
		if least > 0 {
			return "the host is missing"
		}
	case bracketed:
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
			return "the text in brackets is not an IPv6 address"
		}
	default:
		if text := hostName(host); text != "" {
			return text
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || int(n) < least {
		return fmt.Sprintf("the port must be a number from %d to 65535", least)
	}
	return ""
}

// hostAlone returns what is wrong with a host without a port.
func hostAlone(v string) string {
	if strings.HasPrefix(v, "/") {
		return ""
	}
	if scheme, _, ok := strings.Cut(v, "://"); ok {
		return "remove " + strconv.Quote(scheme+"://")
	}
	if ip, err := netip.ParseAddr(v); err == nil && ip.Is6() {
		return ""
	}
	if strings.Contains(v, ":") {
		return "give the port with --mysql-port"
	}
	return hostName(v)
}

// hostName returns what is wrong with a host name or an IPv4 address. Underscores are allowed, because names of containers
// have them.
func hostName(host string) string {
	numeric := true
	for _, r := range host {
		if r != '.' && (r < '0' || r > '9') {
			numeric = false
		}
		if r != '.' && r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return fmt.Sprintf("a host name must not have %q", r)
		}
	}
	if numeric {
		if _, err := netip.ParseAddr(host); err != nil {
			return "this is not an IPv4 address"
		}
	}
	if strings.HasPrefix(host, ".") || strings.Contains(host, "..") || len(host) > 253 {
		return "this is not a host name"
	}
	return ""
}
