//! A live picture of what goes on: written by the rounds, read by the page, the metrics and the answers about health.

pub mod view;
