package migrate

import (
	"cmp"
	"slices"
	"strings"
)

// keyHeader is the header whose value Flume's Kafka sink and channel use as the record's key.
const keyHeader = "key"

// interceptors reports the interceptors of a source that etl replaces, and translates those that assign event IDs.
func (b *builder) interceptors(c *Component) {
	if c.Get("interceptors") == "" {
		return
	}
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		p := "interceptors." + name + "."
		t := c.Get(p + "type")
		if !givesIDs(t) {
			b.prefix(c, p, NoEquivalent, interceptor(t))
			continue
		}
		b.ids(c, p)
		b.prefix(c, p, NotNeeded, "etl does not assign event IDs; it only needs the header's name")
		b.note("%s: etl does not assign event IDs; move this interceptor to the sending agents, where an event that is sent again keeps its ID", c.Key(b.Agent, p+"type"))
	}
	b.report(NotNeeded, c.Key(b.Agent, "interceptors"), "a list; each interceptor has its own line")
}

// keptIDs sets --dedup-header for the commands that a source's events reach, if an interceptor assigns event IDs.
func (b *builder) keptIDs(c *Component, reached []reach) {
	header := idHeader(c)
	if header == "" {
		return
	}
	var with []reach
	for _, r := range reached {
		switch {
		case r.withoutHeaders():
			b.note("%s: raw records have no headers, so etl finds no event IDs in them: set %s = true, --kafka-value flume and --dedup-header %s", b.names([]*Component{c}), r.from.Key(b.Agent, "parseAsFlumeEvent"), Quote(header))
		case !slices.ContainsFunc(with, func(was reach) bool { return was.u == r.u }):
			with = append(with, r)
		}
	}
	if len(with) == 0 {
		return
	}
	found := &unit{by: b, Command: Command{Of: []string{c.Kind + "." + c.Name}}}
	b.cur = found
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		if p := "interceptors." + name + "."; givesIDs(c.Get(p + "type")) {
			b.ids(c, p)
		}
	}
	for _, r := range with {
		of := r.u.Of
		r.u.merge(found)
		r.u.Of = of
		if r.u.own {
			b.idsInKafka(r.u, found.Get("--dedup-header"))
		}
	}
}

// idHeader returns the header of a source's first interceptor that assigns event IDs, or "".
func idHeader(c *Component) string {
	for name := range strings.FieldsSeq(c.Get("interceptors")) {
		if p := "interceptors." + name + "."; givesIDs(c.Get(p + "type")) {
			return cmp.Or(c.Get(p+"headerName"), "id")
		}
	}
	return ""
}

// idsInKafka notes what the records of a topic that an agent writes need for event IDs to be found.
func (b *builder) idsInKafka(u *unit, header string) {
	if u.Get("--kafka-value") == "raw" {
		b.note("raw records have no headers, so --dedup-header finds no event IDs: make %s write Flume's event format with useFlumeEventFormat = true, and set --kafka-value flume", u.keyed)
	}
	if header == keyHeader {
		b.note("--dedup-header %s: %s takes the record's key from that header, so the event ID is the key and duplicates go to the same partition; records of one host or user are then not in order", header, u.keyed)
		return
	}
	b.note("--dedup-header: duplicates go to the same partition only if %s uses the event ID as the record's key: make an interceptor write it to the header key as well", u.keyed)
}

func givesIDs(t string) bool { return strings.HasSuffix(t, "UUIDInterceptor$Builder") }

// ids translates a UUIDInterceptor, whose header holds the event ID.
func (b *builder) ids(c *Component, p string) {
	name := cmp.Or(c.Get(p+"headerName"), "id")
	if c.Get(p+"headerName") != "" {
		b.use(c.Key(b.Agent, p+"headerName"), "--dedup-header")
	}
	key := c.Key(b.Agent, p+"type")
	if was := b.cur.Get("--dedup-header"); was != "" && was != name {
		b.report(NoEquivalent, key, "events have a second ID in the header "+name+", but --dedup-header is already "+was)
		return
	}
	b.option(key, "--dedup-header", name)
	if v := c.Get(p + "preserveExisting"); v != "" && !isTrue(v) {
		b.note("%s: each agent on the path assigns another ID, so duplicates are not detected; set it to true", c.Key(b.Agent, p+"preserveExisting"))
	}
}

func interceptor(t string) string {
	switch t {
	case "":
		return "an interceptor without a type; Flume does not start it"
	case "timestamp":
		return "_event_time in the query is the header timestamp, or Kafka's time if there is none; if that is too late, move the timestamp interceptor to the sending agents"
	case "host", "static", "regex_extractor", "search_replace", "remove_header":
		return "etl does not modify events; move " + t + " to the sending agents, or extract the value from the line in the query"
	case "regex_filter":
		return "filter with WHERE in the query, or move regex_filter to the sending agents"
	}
	return "etl does not run custom interceptors; move " + t + " to the sending agents, or do its work in the query"
}
