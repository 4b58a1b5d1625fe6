package kafkaio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/checkpoint"
	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
)

// Identity identifies the database that a member of the group counts into. Two databases in one group would each count
// some of the records, and the audits of both would balance.
type Identity struct {
	// ID is created once for a database's checkpoints and stored beside them; zero means unknown.
	ID [16]byte
	// Address is host:port/database as this process reaches it, for display. It holds no user and no password.
	Address string
	// Server distinguishes servers with the same ID, one of which was copied from the other or replicates it; empty means
	// unknown.
	Server string
}

func (i Identity) String() string {
	return fmt.Sprintf("%s (identity %x)", printable(i.Address), i.ID[:4])
}

// printable quotes text from the network if it contains characters that must not be printed.
func printable(text string) string {
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

// identityMagic ends a member's user data that carries an identity. The user data is, in this order: the balancer's own
// bytes; if the server is known, the server, its length in two bytes and serverMagic; the ID; the address, its length
// in two bytes and identityMagic.
const (
	identityMagic = "sluice-identity1"
	serverMagic   = "sluice-server-01"
)

// maxAliases is how many other addresses of the same database are reported at most.
const maxAliases = 100

// maxAddress is the maximum length in bytes of the address and of the server, each, so that member metadata stays
// small.
const maxAddress = 512

func (i Identity) appendTo(userData []byte) []byte {
	address := i.Address[:min(len(i.Address), maxAddress)]
	userData = slices.Clip(userData)
	if i.Server != "" {
		server := i.Server[:min(len(i.Server), maxAddress)]
		userData = append(userData, server...)
		userData = binary.BigEndian.AppendUint16(userData, uint16(len(server)))
		userData = append(userData, serverMagic...)
	}
	userData = append(userData, i.ID[:]...)
	userData = append(userData, address...)
	userData = binary.BigEndian.AppendUint16(userData, uint16(len(address)))
	return append(userData, identityMagic...)
}

// parseIdentity reads what appendTo wrote. ok is false for members without an identity, such as those of older
// releases.
func parseIdentity(userData []byte) (i Identity, ok bool) {
	address, rest, ok := cutText(userData, identityMagic)
	if !ok || len(rest) < len(i.ID) {
		return i, false
	}
	i.Address = address
	at := len(rest) - len(i.ID)
	copy(i.ID[:], rest[at:])
	i.Server, _, _ = cutText(rest[:at], serverMagic)
	return i, true
}

// cutText removes a text, its length in two bytes and magic from the end of b.
func cutText(b []byte, magic string) (text string, rest []byte, ok bool) {
	rest, ok = bytes.CutSuffix(b, []byte(magic))
	if !ok || len(rest) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(rest[len(rest)-2:]))
	rest = rest[:len(rest)-2]
	if n > maxAddress || len(rest) < n {
		return "", nil, false
	}
	return string(rest[len(rest)-n:]), rest[:len(rest)-n], true
}

// identityBalancer adds the identity to the member's user data. Balancers of older releases ignore it.
type identityBalancer struct {
	kgo.GroupBalancer
	own Identity
}

// JoinGroupMetadata adds the identity to the balancer's own metadata.
func (b identityBalancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	raw := b.GroupBalancer.JoinGroupMetadata(topics, current, generation)
	var meta kmsg.ConsumerMemberMetadata
	if b.own.ID == [16]byte{} || meta.ReadFrom(raw) != nil {
		return raw
	}
	meta.UserData = b.own.appendTo(meta.UserData)
	return meta.AppendTo(nil)
}

// Identify sets the database that the records are counted into. It must be called before Run; without it, the group's
// other members are not checked.
func (s *Source) Identify(own Identity) { s.own = own }

// ForeignDatabase returns an error that names the members that count into another database, as last seen, or nil.
func (s *Source) ForeignDatabase() error {
	if err := s.foreign.Load(); err != nil {
		return *err
	}
	return nil
}

// groupMembers returns the databases that members of the group count into, each once, ordered by address. Members of
// older releases are left out. stable is false during a rebalance, when Kafka does not return the members' metadata.
func groupMembers(ctx context.Context, cl *kgo.Client, group string) (found []Identity, stable bool, err error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, false, fmt.Errorf("describe group %s: %w", group, err)
	}
	if len(resp.Groups) != 1 {
		return nil, false, fmt.Errorf("describe group %s: got %d groups, expected 1", group, len(resp.Groups))
	}
	g := resp.Groups[0]
	switch err := kerr.ErrorForCode(g.ErrorCode); {
	case errors.Is(err, kerr.GroupIDNotFound):
		return nil, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("describe group %s: %w", group, err)
	}
	switch g.State {
	case "Stable", "Empty", "Dead":
	default:
		return nil, false, nil
	}
	for _, m := range g.Members {
		var meta kmsg.ConsumerMemberMetadata
		if meta.ReadFrom(m.ProtocolMetadata) != nil {
			continue
		}
		if i, ok := parseIdentity(meta.UserData); ok && !slices.Contains(found, i) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b Identity) int { return strings.Compare(a.Address, b.Address) })
	return found, true, nil
}

// foreignDatabaseError returns an error of class ErrRefused if other members of the group count into another database,
// or nil.
func foreignDatabaseError(group string, own Identity, members []Identity) error {
	var others []string
	for _, m := range members {
		if m.ID != own.ID {
			others = append(others, m.String())
		}
	}
	if others == nil {
		return nil
	}
	return &checkpoint.Error{
		Class: checkpoint.ErrRefused,
		Err: fmt.Errorf("consumer group %s counts into another database: this process counts into %s, other members into %s; each would count some of the records",
			group, own, strings.Join(others, ", ")),
		Hint: "use another " + option.Ref("job") + ", or another Kafka cluster; if the other process has ended, wait for " + option.Ref("kafka-session-timeout"),
	}
}

// requireSoleDatabase waits until the group is stable and returns an error of class ErrRefused if a member counts into
// another database. If the group does not become stable before ctx is done, it returns ctx's error.
func (s *Source) requireSoleDatabase(ctx context.Context, cl *kgo.Client) error {
	if s.own.ID == [16]byte{} {
		return nil
	}
	return retry(ctx, s.log, "Group members not known yet; retrying", &s.dials, func(ctx context.Context) error {
		members, stable, err := groupMembers(ctx, cl, s.group)
		if err != nil {
			return err
		}
		if !stable {
			return errors.New("the group is rebalancing")
		}
		if err := foreignDatabaseError(s.group, s.own, members); err != nil {
			return permanent{err}
		}
		return nil
	})
}

// requireSoleDatabaseBeforeJoin does the same check before the group is joined, so that a process that will be refused
// causes no rebalance. A group that is not stable within some seconds is joined anyway, because nothing is claimed
// before requireSoleDatabase has returned.
func (s *Source) requireSoleDatabaseBeforeJoin(ctx context.Context, cl *kgo.Client) error {
	limited, cancel := context.WithTimeout(ctx, min(s.cfg.SessionTimeout, adminWait))
	defer cancel()
	err := s.requireSoleDatabase(limited, cl)
	if errors.Is(err, checkpoint.ErrRefused) {
		return err
	}
	return nil
}

// watchGroup checks the group while this process is a member, and reports a process that was not refused at its start,
// such as one of another release. It does not stop this process, which joined first.
func (s *Source) watchGroup(ctx context.Context, cl *kgo.Client) {
	if s.own.ID == [16]byte{} {
		return
	}
	aliases := map[string]bool{}
	obs.Every(ctx, s.cfg.MetadataMaxAge, func() {
		limited, cancel := context.WithTimeout(ctx, adminWait)
		defer cancel()
		if members, stable, err := groupMembers(limited, cl, s.group); err == nil && stable {
			s.checkMembers(members, aliases)
		}
	})
}

// checkMembers compares the members with this process. aliases are the addresses and servers that were reported before.
// Members on two servers with the same identity are reported but never refused: after a failover, those that started
// before it still name the old server.
func (s *Source) checkMembers(members []Identity, aliases map[string]bool) {
	foreign := 0
	for _, m := range members {
		switch {
		case m.ID != s.own.ID:
			foreign++
		case m.Server != "" && s.own.Server != "":
			if m.Server != s.own.Server && !aliases[m.Server] && len(aliases) < maxAliases {
				aliases[m.Server] = true
				s.log.Warn("Group member counts into another server with the same database identity; after a failover this ends when the older process restarts, otherwise one database is a copy and each counts some of the records",
					"ours", s.own.String(), "our_server", s.own.Server, "theirs", m.String(), "their_server", printable(m.Server))
			}
		case m.Address != s.own.Address && !aliases[m.Address] && len(aliases) < maxAliases:
			aliases[m.Address] = true
			s.log.Warn("Group member has the same database identity at another address; a copied database has its original's identity",
				"ours", s.own.String(), "theirs", m.String())
		}
	}
	s.met.foreign.Set(float64(foreign))
	err := foreignDatabaseError(s.group, s.own, members)
	if err == nil {
		s.foreign.Store(nil)
		return
	}
	s.foreign.Store(&err)
	s.log.Error("Consumer group is shared with another database", "err", err)
}

// CheckGroup returns the databases that the group's members count into, and an error of class ErrRefused if one of them
// is not own. It does not join the group.
func CheckGroup(ctx context.Context, cfg Config, group string, own Identity, log *slog.Logger) ([]Identity, error) {
	d := &dials{}
	cl, err := kgo.NewClient(append(cfg.options(orDiscard(log), d), kgo.RetryTimeout(adminWait))...)
	if err != nil {
		return nil, fmt.Errorf("create a kafka client: %w", err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminWait)
	defer cancel()
	var members []Identity
	err = retry(ctx, orDiscard(log), "Group members not known yet; retrying", d, func(ctx context.Context) error {
		got, stable, err := groupMembers(ctx, cl, group)
		if err != nil {
			return permanent{d.explain(err)}
		}
		if !stable {
			return fmt.Errorf("group %s is rebalancing", group)
		}
		members = got
		return nil
	})
	if err != nil {
		return nil, err
	}
	return members, foreignDatabaseError(group, own, members)
}
