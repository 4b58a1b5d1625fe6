package migrate

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
)

func isTrue(s string) bool { return strings.EqualFold(s, "true") }

// address returns the value of a -listen option: an address that means all addresses is omitted.
func address(host, port string) string {
	switch host {
	case "0.0.0.0", "::", "0:0:0:0:0:0:0:0", "*":
		host = ""
	}
	return net.JoinHostPort(host, port)
}

// draft starts a command for a component.
func (b *builder) draft(c *Component) *unit {
	b.cur = &unit{by: b, name: c.Name, Command: Command{Of: []string{c.Kind + "." + c.Name}}}
	return b.cur
}

// received translates a source that etl replaces, and returns its commands.
func (b *builder) received(c *Component, fl *flow) []*unit {
	of := kindOf(c)
	if of == "" {
		b.unknownType(c)
		return nil
	}
	u := b.draft(c)
	b.interceptors(c)
	var more []*unit
	switch of {
	case ofSpooldir:
		b.spooldir(c)
		return []*unit{u}
	case ofKafkaSource:
		more = b.kafkaSource(c, u)
	case ofMultiport:
		more = b.multiport(c, u)
	case ofSyslogTCP:
		b.listener(c, "syslog-tcp", "host", "port")
	case ofSyslogUDP:
		b.listener(c, "syslog-udp", "host", "port")
	default:
		b.listener(c, map[string]string{ofAvro: "avro", ofThrift: "thrift", ofHTTP: "http", ofNetcat: "netcat", ofNetcatUDP: "netcat-udp"}[of], "bind", "port")
	}
	before := len(u.Options)
	switch of {
	case ofThrift:
		b.kerberos(c)
		b.checkProtocol(c)
	case ofHTTP:
		b.handler(c)
	case ofSyslogTCP, ofMultiport, ofSyslogUDP:
		b.syslog(c, of != ofSyslogUDP)
	case ofNetcat:
		b.netcat(c)
	}
	for _, t := range tlsSources() {
		if t.of == of {
			b.tls(c, t.receiver)
		}
	}
	if of == ofAvro && isTrue(c.Get("ipFilter")) && c.Get("ipFilterRules") != "" {
		b.ipFilter(c)
	}
	for _, m := range more {
		if of == ofMultiport { // the source's other options apply to each port
			m.Options = append(m.Options, u.Options[before:]...)
		}
	}
	for _, name := range []string{"threads", "maxIoWorkers"} {
		if of == ofAvro && c.Get(name) != "" {
			b.note("%s: Flume 1.10 and later ignore it as well; --avro-max-connections limits the number of connections", c.Key(b.Agent, name))
		}
	}
	b.selector(c)
	b.remaining(c, of, true)
	return append([]*unit{u}, more...)
}

// selector notes a channel selector, which etl does not have.
func (b *builder) selector(c *Component) {
	t := strings.ToLower(c.Get("selector.type"))
	t = strings.TrimSuffix(t[strings.LastIndexByte(t, '.')+1:], "channelselector")
	in := channelsOf(c)
	key := strings.TrimSuffix(c.Key(b.Agent, ""), ".")
	switch header := cmp.Or(c.Get("selector.header"), "flume.selector.header"); {
	case t == "multiplexing":
		text := ""
		for _, p := range c.Properties {
			if value, ok := strings.CutPrefix(p.Name, "selector.mapping."); ok && len(text) < 300 {
				text += fmt.Sprintf("; for channel %s: WHERE header('%s') = '%s'", p.Value, sqlText(header), sqlText(value))
			}
		}
		b.note("%s: a selector distributed its events over several channels; etl writes all to one topic, and the query distinguishes them%s", key, text)
	case t != "" && t != "replicating":
		b.note("%s: a selector distributed its events over several channels; etl writes all to one topic", key)
	case len(in) > 1:
		b.note("%s: each event went to the channels %s; etl writes it once, to one topic, which several jobs may read", key, strings.Join(in, " and "))
	}
}

func sqlText(s string) string {
	return strings.NewReplacer("'", "''", `\`, `\\`).Replace(s)
}

// listener adds the -listen option from a host and a port.
func (b *builder) listener(c *Component, receiver, host, port string) {
	p := c.Get(port)
	name := "--" + receiver + "-listen"
	if p == "" {
		b.note("%s is missing: Flume does not start without it; etl's option is %s", c.Key(b.Agent, port), name)
		return
	}
	b.option(c.Key(b.Agent, port), name, address(c.Get(host), p))
	if c.Get(host) != "" {
		b.use(c.Key(b.Agent, host), name)
	}
}

// multiport creates a command for each port after the first.
func (b *builder) multiport(c *Component, u *unit) (more []*unit) {
	ports := strings.FieldsFunc(c.Get("ports"), func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	seen := map[string]bool{}
	ports = slices.DeleteFunc(ports, func(port string) bool {
		again := seen[port]
		seen[port] = true
		return again
	})
	key := c.Key(b.Agent, "ports")
	if len(ports) == 0 {
		b.note("%s is missing: Flume does not start without it; etl's option is --syslog-tcp-listen", key)
		return nil
	}
	b.option(key, "--syslog-tcp-listen", address(c.Get("host"), ports[0]))
	if c.Get("host") != "" {
		b.use(c.Key(b.Agent, "host"), "--syslog-tcp-listen")
	}
	const most = 16
	for _, port := range ports[1:min(len(ports), most)] {
		m := &unit{by: b, name: c.Name + "-" + port, Command: Command{Of: slices.Clone(u.Of)}}
		m.add("--syslog-tcp-listen", address(c.Get("host"), port))
		more = append(more, m)
	}
	if len(ports) > 1 {
		b.note("%s: one etl process listens on one port; send everything to %s and omit the other commands, or start them too", key, ports[0])
	}
	if len(ports) > most {
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, "commands are printed for the first 16 ports; start etl ingest in the same way for the others, or send to " + ports[0]})
	}
	return more
}

// tls adds the options for a certificate from a keystore.
func (b *builder) tls(c *Component, receiver string) {
	ssl := "ssl"
	if c.Get(ssl) == "" && c.Get("enableSSL") != "" {
		ssl = "enableSSL"
	}
	if !isTrue(c.Get(ssl)) {
		return
	}
	key, prefix, store := c.Key(b.Agent, ssl), "--"+receiver+"-tls-", c.Get("keystore")
	base := strings.TrimSuffix(store, path.Ext(store))
	if store == "" {
		base = receiver
		b.note("%s: the keystore is given by the JVM's options or by FLUME_SSL_KEYSTORE_PATH; convert that one", key)
	} else {
		key = c.Key(b.Agent, "keystore")
		b.keystore(store)
	}
	b.option(key, prefix+"cert", base+".pem")
	b.option(key, prefix+"key", base+"-key.pem")
	b.addSwitch(c.Key(b.Agent, ssl), prefix+"required")
}

// keystore records a keystore that must be converted.
func (b *builder) keystore(store string) {
	if !slices.Contains(b.Keystores, store) {
		b.Keystores = append(b.Keystores, store)
	}
}

func (b *builder) ipFilter(c *Component) {
	b.option(c.Key(b.Agent, "ipFilterRules"), "--ip-filter", strings.Join(strings.Fields(c.Get("ipFilterRules")), ""))
	b.use(c.Key(b.Agent, "ipFilter"), "--ip-filter")
}

// checkProtocol notes a protocol name that Flume compares with regard to case.
func (b *builder) checkProtocol(c *Component) {
	if p := c.Get("protocol"); p != "binary" && strings.EqualFold(p, "binary") {
		b.note("%s = %s means compact: Flume recognizes binary only in lower case; etl accepts both protocols", c.Key(b.Agent, "protocol"), p)
	}
}

func (b *builder) kerberos(c *Component) {
	if c.Get("kerberos") != "" && !isTrue(c.Get("kerberos")) {
		b.report(NotNeeded, c.Key(b.Agent, "kerberos"), "its value is "+c.Get("kerberos"))
	}
}

func (b *builder) handler(c *Component) {
	h := c.Get("handler")
	if h != "" && !strings.HasSuffix(h, ".JSONHandler") {
		text := "etl reads JSONHandler's format, [{\"headers\":{…},\"body\":\"…\"}]; make the senders use it"
		if strings.HasSuffix(h, ".BLOBHandler") || strings.HasSuffix(h, ".BlobHandler") {
			text = "a body as one event is not supported; " + text
		}
		b.report(NoEquivalent, c.Key(b.Agent, "handler"), text)
	}
}

func (b *builder) syslog(c *Component, tcp bool) {
	if v := c.Get("eventSize"); v != "" && tcp {
		b.option(c.Key(b.Agent, "eventSize"), "--syslog-max-line-bytes", v)
	}
	key := c.Key(b.Agent, "keepFields")
	switch v := c.Get("keepFields"); strings.ToLower(v) {
	case "":
	case "true", "all":
		b.option(key, "--syslog-keep-fields", "all")
	case "false", "none":
		b.report(NotNeeded, key, "its value is "+v)
	default:
		b.report(NoEquivalent, key, "--syslog-keep-fields must be none or all; the fields are also available in the query, as header('host') and so on")
	}
}

func (b *builder) netcat(c *Component) {
	if v := c.Get("max-line-length"); v != "" {
		b.option(c.Key(b.Agent, "max-line-length"), "--netcat-max-line-bytes", v)
	}
	if v := c.Get("ack-every-event"); v != "" && !isTrue(v) {
		b.report(NoEquivalent, c.Key(b.Agent, "ack-every-event"), "etl replies OK to each line; the sender may ignore it")
	}
	if v := c.Get("encoding"); v != "" && !strings.EqualFold(v, "utf-8") && !strings.EqualFold(v, "utf8") {
		b.report(NoEquivalent, c.Key(b.Agent, "encoding"), "etl does not convert text; make the senders write UTF-8")
	}
}

func (b *builder) spooldir(c *Component) {
	dir := c.Get("spoolDir")
	if dir == "" {
		b.note("%s is missing: Flume does not start without it", c.Key(b.Agent, "spoolDir"))
	} else {
		key := c.Key(b.Agent, "spoolDir")
		b.option(key, "--watch-dir", dir)
		b.option(key, "--watch-state", "/var/lib/etl")
		b.note("--watch-state stores the progress: use a folder on a persistent disk")
		if !strings.EqualFold(c.Get("deletePolicy"), "immediate") {
			b.note("%s: Flume leaves the files that it has read in the folder, as *%s; move them elsewhere before etl starts, otherwise it reads them again", key, cmp.Or(c.Get("fileSuffix"), ".COMPLETED"))
		}
	}
	if d := c.Get("deserializer"); d != "" && !strings.EqualFold(d, "LINE") {
		b.prefix(c, "deserializer", NoEquivalent, "etl reads files line by line; for any other format keep a spooldir agent with an avro sink that sends to etl")
	}
	b.remaining(c, ofSpooldir, true)
}

// unknownType reports a component whose type has no equivalent.
func (b *builder) unknownType(c *Component) {
	key, text := c.Key(b.Agent, "*"), alternative(c)
	what := strings.TrimSuffix(c.Kind, "s")
	switch {
	case c.Type == "":
		text = "a " + what + " without a type; Flume does not start it"
	case text == "":
		text = "etl has no equivalent of " + what + " type " + c.Type
		if what == "source" {
			text += "; keep it in an agent with an avro sink that sends to etl"
		}
	}
	if len(c.Properties) == 0 {
		b.report(NoEquivalent, key, text)
		return
	}
	b.all(c, NoEquivalent, text)
}
