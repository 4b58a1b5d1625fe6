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

// address is what a -listen option takes: an address that stands for all is left out.
func address(host, port string) string {
	switch host {
	case "0.0.0.0", "::", "0:0:0:0:0:0:0:0", "*":
		host = ""
	}
	return net.JoinHostPort(host, port)
}

// draft begins a command for a component.
func (b *builder) draft(c *Component) *unit {
	b.cur = &unit{by: b, name: c.Name, Command: Command{Of: []string{c.Kind + "." + c.Name}}}
	return b.cur
}

// received says what becomes of a source whose place etl takes: the commands that do its work, each by itself.
func (b *builder) received(c *Component, fl *flow) []*unit {
	of := kindOf(c)
	if of == "" {
		b.foreign(c)
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
		b.protocolTrap(c)
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
		if of == ofMultiport { // what else the source has holds for each port
			m.Options = append(m.Options, u.Options[before:]...)
		}
	}
	for _, name := range []string{"threads", "maxIoWorkers"} {
		if of == ofAvro && c.Get(name) != "" {
			b.look("%s: Flume 1.10 and later ignore it as well; the number of connections is bounded by --avro-max-connections", c.Key(b.Agent, name))
		}
	}
	b.selector(c)
	b.rest(c, of, true)
	return append([]*unit{u}, more...)
}

// selector tells of what a selector did that etl does not.
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
				text += fmt.Sprintf("; %s was WHERE header('%s') = '%s'", p.Value, sqlText(header), sqlText(value))
			}
		}
		b.look("%s: a selector put its events into several channels; etl puts all into one topic, and the query tells them apart%s", key, text)
	case t != "" && t != "replicating":
		b.look("%s: its events went into several channels by a selector; etl puts all into one topic", key)
	case len(in) > 1:
		b.look("%s: each event went into the channels %s; etl has it once, in one topic, which several jobs may read", key, strings.Join(in, " and "))
	}
}

func sqlText(s string) string {
	return strings.NewReplacer("'", "''", `\`, `\\`).Replace(s)
}

// listener gives the -listen option, of a host and a port.
func (b *builder) listener(c *Component, receiver, host, port string) {
	p := c.Get(port)
	name := "--" + receiver + "-listen"
	if p == "" {
		b.look("%s is missing: Flume does not start without it; etl's option is %s", c.Key(b.Agent, port), name)
		return
	}
	b.option(c.Key(b.Agent, port), name, address(c.Get(host), p))
	if c.Get(host) != "" {
		b.use(c.Key(b.Agent, host), name)
	}
}

// multiport gives a command for each port after the first.
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
		b.look("%s is missing: Flume does not start without it; etl's option is --syslog-tcp-listen", key)
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
		b.look("%s: one process of etl listens on one port; send all to %s and leave the others out, or start the commands for the others too", key, ports[0])
	}
	if len(ports) > most {
		b.NoEquivalent = append(b.NoEquivalent, Finding{key, "commands are printed for the first 16 ports; start etl ingest likewise for the others, or send to " + ports[0]})
	}
	return more
}

// tls gives the options of a certificate out of a keystore.
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
		b.look("%s: the keystore is one of the JVM's options or of FLUME_SSL_KEYSTORE_PATH; convert that one", key)
	} else {
		key = c.Key(b.Agent, "keystore")
		b.keystore(store)
	}
	b.option(key, prefix+"cert", base+".pem")
	b.option(key, prefix+"key", base+"-key.pem")
	b.on(c.Key(b.Agent, ssl), prefix+"required")
}

// keystore notes a keystore that is to be converted.
func (b *builder) keystore(store string) {
	if !slices.Contains(b.Keystores, store) {
		b.Keystores = append(b.Keystores, store)
	}
}

func (b *builder) ipFilter(c *Component) {
	b.option(c.Key(b.Agent, "ipFilterRules"), "--ip-filter", strings.Join(strings.Fields(c.Get("ipFilterRules")), ""))
	b.use(c.Key(b.Agent, "ipFilter"), "--ip-filter")
}

// protocolTrap tells of a choice that Flume takes by case.
func (b *builder) protocolTrap(c *Component) {
	if p := c.Get("protocol"); p != "binary" && strings.EqualFold(p, "binary") {
		b.look("%s = %s means compact: Flume knows binary in small letters only; etl takes both", c.Key(b.Agent, "protocol"), p)
	}
}

func (b *builder) kerberos(c *Component) {
	if c.Get("kerberos") != "" && !isTrue(c.Get("kerberos")) {
		b.say(NotNeeded, c.Key(b.Agent, "kerberos"), "it is "+c.Get("kerberos"))
	}
}

func (b *builder) handler(c *Component) {
	h := c.Get("handler")
	if h != "" && !strings.HasSuffix(h, ".JSONHandler") {
		text := "etl reads JSONHandler's form, [{\"headers\":{…},\"body\":\"…\"}]; have the senders write that"
		if strings.HasSuffix(h, ".BLOBHandler") || strings.HasSuffix(h, ".BlobHandler") {
			text = "a body as one event is not there; " + text
		}
		b.say(Missing, c.Key(b.Agent, "handler"), text)
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
		b.say(NotNeeded, key, "it is "+v)
	default:
		b.say(Missing, key, "--syslog-keep-fields is none or all; the query has the fields as header('host') and so on")
	}
}

func (b *builder) netcat(c *Component) {
	if v := c.Get("max-line-length"); v != "" {
		b.option(c.Key(b.Agent, "max-line-length"), "--netcat-max-line-bytes", v)
	}
	if v := c.Get("ack-every-event"); v != "" && !isTrue(v) {
		b.say(Missing, c.Key(b.Agent, "ack-every-event"), "etl answers each line with OK; the sender may leave it unread")
	}
	if v := c.Get("encoding"); v != "" && !strings.EqualFold(v, "utf-8") && !strings.EqualFold(v, "utf8") {
		b.say(Missing, c.Key(b.Agent, "encoding"), "bytes are kept as they come; have senders write UTF-8")
	}
}

func (b *builder) spooldir(c *Component) {
	dir := c.Get("spoolDir")
	if dir == "" {
		b.look("%s is missing: Flume does not start without it", c.Key(b.Agent, "spoolDir"))
	} else {
		key := c.Key(b.Agent, "spoolDir")
		b.option(key, "--watch-dir", dir)
		b.option(key, "--watch-state", "/var/lib/etl")
		b.look("--watch-state is where the progress is kept: a folder on a disk that stays")
		if !strings.EqualFold(c.Get("deletePolicy"), "immediate") {
			b.look("%s: Flume leaves files that it has read in the folder, as *%s; move them away before etl starts, which would read them once more", key, cmp.Or(c.Get("fileSuffix"), ".COMPLETED"))
		}
	}
	if d := c.Get("deserializer"); d != "" && !strings.EqualFold(d, "LINE") {
		b.prefix(c, "deserializer", Missing, "etl reads lines of the files; for more than that keep a spooldir agent with an avro sink that points to etl")
	}
	b.rest(c, ofSpooldir, true)
}

// foreign is a component of a type that etl does not know.
func (b *builder) foreign(c *Component) {
	key, text := c.Key(b.Agent, "*"), without(c)
	what := strings.TrimSuffix(c.Kind, "s")
	switch {
	case c.Type == "":
		text = "a " + what + " without a type: Flume does not start it"
	case text == "":
		text = "etl does not know a " + what + " of type " + c.Type
		if what == "source" {
			text += "; keep it in an agent with an avro sink that points to etl"
		}
	}
	if len(c.Properties) == 0 {
		b.say(Missing, key, text)
		return
	}
	b.all(c, Missing, text)
}
