namespace PdEngine;

/// <summary>
/// A slice's share of a batch's sample rows: first the prompt tokens it scores, then its draws.
/// </summary>
/// <param name="FirstRow">Index in the sample rows of the first.</param>
/// <param name="ScoreCount">Rows that score a prompt token.</param>
/// <param name="DrawCount">Rows that draw the next token.</param>
/// <param name="RewardRow">Wanted row that is the sequence's reward; -1 where there is none.</param>
internal readonly record struct SliceRows(int FirstRow, int ScoreCount, int DrawCount, int RewardRow = -1);
