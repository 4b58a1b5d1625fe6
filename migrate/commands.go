package migrate

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unit is a command under construction.
type unit struct {
	Command
	by     *builder // the plan that contains it
	name   string   // the name for the job and the topic if the file has no better one
	own    bool     // it only reads a topic, and receives nothing
	stream string   // the topic that it reads or writes, with its brokers; "" for a new one
	zk     string   // ZooKeeper's address, if the file does not name the brokers
	beside *unit    // the command to whose topic it writes too, from another port
	keyed  string   // the Kafka sink or channel that set the records' keys
	asked  []string // notes about variables to set
}

// planner holds the commands of all agents of the file.
type planner struct {
	rules   []Rule
	units   []*unit
	listens map[string][]*unit // commands of replaced agents, by receiver:port
	sends   map[string]*unit   // commands for agents that stay, by receiver:host:port
	reads   map[string]*unit   // by stream
	names   variables
}

func newPlanner(f *File) *planner {
	return &planner{
		rules: Rules(), listens: map[string][]*unit{}, sends: map[string]*unit{}, reads: map[string]*unit{},
		names: variablesOf(f),
	}
}

func (u *unit) listening() bool {
	return slices.ContainsFunc(u.Options, func(o Option) bool { return strings.HasSuffix(o.Name, "-listen") })
}

func (u *unit) receives() bool {
	return u.listening() || u.Has("--poll") || u.Has("--watch-dir")
}

func several(name string) bool { return name == "--poll" || name == "--watch-dir" }

// fits reports whether one process can replace both commands without an option of one affecting the other.
func (u *unit) fits(other *unit) bool {
	for _, o := range other.Options {
		if u.Has(o.Name) && u.Get(o.Name) != o.Value && !several(o.Name) && o.Name != "--dedup-header" && o.Name != "--poll-batch" {
			return false
		}
	}
	syslog := func(u *unit) bool { return u.Has("--syslog-tcp-listen") || u.Has("--syslog-udp-listen") }
	if syslog(u) && syslog(other) && u.Get("--syslog-keep-fields") != other.Get("--syslog-keep-fields") {
		return false
	}
	if u.overlap(other) {
		return false
	}
	return !u.listening() || !other.listening() || u.Get("--ip-filter") == other.Get("--ip-filter")
}

// merge adds another command's options. If both have an option, that of u is kept; --poll-batch is the smaller one.
func (u *unit) merge(other *unit) {
	u.Of = append(u.Of, other.Of...)
	u.needsOf(other)
	for _, o := range other.Options {
		switch i := slices.IndexFunc(u.Options, func(was Option) bool { return was.Name == o.Name }); {
		case i < 0, several(o.Name) && !slices.Contains(u.Options, o):
			u.Options = append(u.Options, o)
		case o.Name == "--poll-batch":
			was, err := strconv.Atoi(u.Options[i].Value)
			if n, err2 := strconv.Atoi(o.Value); err == nil && err2 == nil && n < was {
				u.Options[i].Value = o.Value
			}
		case o.Name == "--dedup-header" && o.Value != u.Options[i].Value:
			u.by.NoEquivalent = append(u.by.NoEquivalent, Finding{strings.Join(other.Of, ", "), fmt.Sprintf("its events have their ID in the header %s, but --dedup-header is already %s: make all interceptors use the same header", o.Value, u.Options[i].Value)})
		}
	}
}

// adopt adds the options of the Kafka that a flow writes to.
func (u *unit) adopt(to *unit) {
	u.Options = append(slices.Clone(to.Options), u.Options...)
	u.Of = append(u.Of, to.Of...)
	u.stream, u.keyed = to.stream, to.keyed
	u.zk = to.zk
	u.needsOf(to)
}

// where names a command for the reader of b's plan.
func (u *unit) where(b *builder) string {
	text := strings.Join(u.Of, ", ")
	if u.by != b {
		text += " of agent " + u.by.Agent
	}
	return text
}

// add adds an option that does not come from the file.
func (u *unit) add(name, value string) {
	u.Options = append(u.Options, Option{Name: name, Value: value})
}

// needs records a variable that the operator must set.
func (u *unit) needs(variable, what string) {
	if u.Ask == nil {
		u.Ask = map[string]string{}
	}
	u.Ask[variable] = what
}

// needsOf adds the variables that another command's options need.
func (u *unit) needsOf(other *unit) {
	for name, what := range other.Ask {
		u.needs(name, what)
	}
	u.asked = append(u.asked, other.asked...)
}

// ask sets an option to a variable that the operator must set. Commands that may need different values use different names.
func (u *unit) ask(option, variable, what string) {
	u.needs(variable, what)
	value := "${" + variable + "}"
	for i, o := range u.Options {
		if o.Name == option {
			u.Options[i].Value = value
			return
		}
	}
	u.add(option, value)
}

var notOfNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// jobName converts any text to the name of a job or a topic.
func jobName(s string) string {
	s = strings.Trim(notOfNames.ReplaceAllString(s, "-"), "-.")
	if s == "" {
		return "etl"
	}
	return s[:min(len(s), 100)]
}

// defaultAdmin is the default port of --admin-listen.
const defaultAdmin = 9414

// finish sets the verb of each command and, if there are several, distinct jobs, topics and admin ports.
func (p *planner) finish() {
	p.units = slices.DeleteFunc(p.units, func(u *unit) bool {
		return !slices.ContainsFunc(u.Options, func(o Option) bool { return o.Name != "--dedup-header" })
	})
	loading := 0
	topics := map[string]bool{"logs": true}
	for _, u := range p.units {
		if u.beside == nil {
			loading++
		}
		topics[u.Get("--kafka-topic")] = true
	}
	jobs := map[string]bool{}
	taken := p.ports()
	admin := defaultAdmin
	for i, u := range p.units {
		if u.beside == nil && loading > 1 {
			p.separate(u, jobs, topics)
		}
		u.verb()
		u.replaceInvalid()
		if i > 0 || taken[strconv.Itoa(defaultAdmin)] {
			for admin++; taken[strconv.Itoa(admin)]; admin++ {
			}
			if admin > 65535 {
				u.add("--admin-listen", "off")
			} else {
				u.add("--admin-listen", "127.0.0.1:"+strconv.Itoa(admin))
			}
		}
		slices.SortStableFunc(u.Options, func(x, y Option) int { return rank(x.Name) - rank(y.Name) })
		for _, text := range u.asked {
			u.by.note("%s", text)
		}
		u.by.Commands = append(u.by.Commands, u.Command)
	}
}

// ports returns the TCP ports that commands listen on, and notes commands whose addresses overlap, which cannot run on one
// host.
func (p *planner) ports() map[string]bool {
	type holder struct {
		socket
		by *unit
	}
	taken := map[string]bool{}
	held := map[string][]holder{} // by network and port
	for _, u := range p.units {
		for _, o := range u.Options {
			s, ok := socketOf(o)
			if !ok {
				continue
			}
			if s.network == "tcp" {
				taken[s.port] = true
			}
			key := s.network + " " + s.port
			i := slices.IndexFunc(held[key], func(was holder) bool { return was.by != u && was.overlaps(s) })
			if i >= 0 {
				u.by.note("%s: port %s is also used by the command for %s: run the two on different hosts, or change the port of one of them and of its senders", strings.Join(u.Of, ", "), s.port, held[key][i].by.where(u.by))
				continue
			}
			held[key] = append(held[key], holder{s, u})
		}
	}
	return taken
}

// socket is an address that a receiver listens on.
type socket struct {
	network string // tcp or udp
	host    string // "" for all addresses of the host
	port    string
}

// socketOf returns the address of a -listen option, and false for any other option and for off. It normalizes spellings of
// the same address.
func socketOf(o Option) (socket, bool) {
	if !strings.HasSuffix(o.Name, "-listen") {
		return socket{}, false
	}
	host, port, err := net.SplitHostPort(env.ReplaceAllString(o.Value, "$${$1}"))
	if err != nil || port == "" {
		return socket{}, false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(n, 10)
	}
	s := socket{network: "tcp", host: strings.ToLower(host), port: port}
	if strings.Contains(o.Name, "udp") {
		s.network = "udp"
	}
	if s.host == "localhost" {
		s.host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(s.host); err == nil {
		s.host = ip.Unmap().String()
		if ip.IsUnspecified() {
			s.host = ""
		}
	}
	return s, true
}

// overlaps reports whether one host cannot listen on both. Different names count as different addresses, because resolving
// them would need DNS.
func (s socket) overlaps(other socket) bool {
	return s.network == other.network && s.port == other.port && (s.host == other.host || s.host == "" || other.host == "")
}

// overlap reports whether two commands have receivers of different kinds whose addresses overlap, so that one process cannot
// have both.
func (u *unit) overlap(other *unit) bool {
	for _, o := range u.Options {
		s, ok := socketOf(o)
		if ok && slices.ContainsFunc(other.Options, func(p Option) bool {
			t, ok := socketOf(p)
			return ok && p.Name != o.Name && s.overlaps(t)
		}) {
			return true
		}
	}
	return false
}

// separate gives a command its own job, and its own topic if the file names none.
func (p *planner) separate(u *unit, jobs, topics map[string]bool) {
	topic := u.Get("--kafka-topic")
	base := jobName(u.name)
	if topic != "" && !strings.Contains(topic, "${") {
		base = jobName(topic)
	}
	job := base
	taken := func(job string) bool { return jobs[job] || topic == "" && topics[job] }
	if taken(job) {
		job = jobName(u.by.Agent) + "-" + base
	}
	for n := 2; taken(job); n++ {
		job = fmt.Sprintf("%s-%s-%d", jobName(u.by.Agent), base, n)
	}
	jobs[job] = true
	u.add("--job", job)
	if topic == "" {
		topics[job] = true
		u.add("--kafka-topic", job)
	}
	if i := slices.IndexFunc(u.Options, func(o Option) bool { return o.Name == "--watch-state" }); i >= 0 {
		u.Options[i].Value += "-" + job
	}
}

// verb chooses the command, and turns off what it does by default but the agent did not.
func (u *unit) verb() {
	switch {
	case u.beside != nil:
		u.Verb = "ingest"
		u.writeLike(u.beside)
		if i := slices.IndexFunc(u.Options, func(o Option) bool { return o.Name == "--watch-state" }); i >= 0 {
			u.Options[i].Value += "-" + jobName(u.name)
		}
	case u.receives():
		u.Verb = "run"
		u.recordKeys()
	default:
		u.Verb = "load"
	}
	if u.receives() && !u.Has("--avro-listen") {
		u.add("--avro-listen", "off")
	}
	if u.Has("--kafka-brokers") {
		return
	}
	name := u.by.planner.names.name("KAFKA_BROKERS", u.zk)
	if u.zk == "" {
		u.ask("--kafka-brokers", name, "HOST:PORT of the Kafka brokers")
		u.asked = append(u.asked, name+": the file names no Kafka brokers for the events that etl receives; set the variable to the brokers to use, HOST:PORT,HOST:PORT")
		return
	}
	u.ask("--kafka-brokers", name, "HOST:PORT of the Kafka brokers")
	u.asked = append(u.asked, fmt.Sprintf("%s: %s names only ZooKeeper, %s, and etl needs the brokers; set the variable to the brokers of that Kafka, HOST:PORT,HOST:PORT; zookeeper-shell.sh %s get /brokers/ids/ID shows a broker's address", name, strings.Join(u.Of, ", "), u.zk, Quote(u.zk)))
}

// writeLike makes a command that only receives write in the same way as the one that loads.
func (u *unit) writeLike(to *unit) {
	if mine, want := u.Get("--dedup-header"), to.Get("--dedup-header"); mine != want && mine != "" {
		u.Options = slices.DeleteFunc(u.Options, func(o Option) bool { return o.Name == "--dedup-header" })
		u.by.note("%s: its events have their ID in the header %s, but the command for %s, which reads the topic, has --dedup-header %s: make all interceptors use the same header", strings.Join(u.Of, ", "), mine, to.where(u.by), Quote(want))
	}
	for _, o := range to.Options {
		if (strings.HasPrefix(o.Name, "--kafka-") || o.Name == "--dedup-header") && !u.Has(o.Name) {
			u.Options = append(u.Options, o)
			for name, what := range to.Ask {
				if strings.Contains(o.Value, "${"+name+"}") {
					u.needs(name, what)
				}
			}
		}
	}
}

// recordKeys makes a command that replaces a Kafka sink or channel write the same keys.
func (u *unit) recordKeys() {
	if u.keyed == "" {
		return
	}
	switch u.Get("--dedup-header") {
	case "":
		u.add("--kafka-key", keyHeader)
		u.by.note("--kafka-key key: %s takes the record's key from the header key", u.keyed)
	case keyHeader:
		u.by.note("--dedup-header key: the event ID is the record's key, as in %s: duplicates go to the same partition, and events of one host or user are spread over all partitions", u.keyed)
	default:
		u.by.note("%s took the record's key from the header key; with --dedup-header the key is the event ID, so that duplicates go to the same partition", u.keyed)
	}
}

// portOf returns the port of an address, or "".
func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// rank orders options: the job, Kafka, the receivers, the rest.
func rank(name string) int {
	switch {
	case name == "--job":
		return 0
	case name == "--kafka-brokers":
		return 1
	case name == "--kafka-topic":
		return 2
	case name == "--kafka-value":
		return 3
	case strings.HasPrefix(name, "--kafka-"):
		return 4
	case name == "--avro-listen":
		return 5
	case name == "--admin-listen":
		return 9
	case strings.HasSuffix(name, "-listen"), several(name):
		return 6
	case name == "--poll-batch":
		return 7
	}
	return 8
}
