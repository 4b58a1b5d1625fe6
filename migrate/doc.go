// Package migrate reads Flume's configuration (flume.conf, a Java properties file) and reports, for each agent, which etl
// commands replace it or receive its events, what to keep or change in the agent, and what has no equivalent. It maps text to
// a [Plan]; it opens no files and no connections. Its table of Flume's properties is rules.txt, from which
// docs/flume-properties.md is generated.
package migrate
