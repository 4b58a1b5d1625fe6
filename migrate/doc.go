// Package migrate reads Flume's configuration (flume.conf, Java's properties) and says which options of etl do the work
// of each agent in it, what the agent keeps, and what has no equivalent. Text goes in, a Plan comes out; no file is
// opened and nothing is dialled. Its table of Flume's properties, Rules, is the one that docs/flume-properties.md shows.
package migrate
