namespace PdEngine.Bench;

/// <summary>Tokens that became visible to a stream's reader at once.</summary>
/// <param name="Ticks">When, of <see cref="System.Diagnostics.Stopwatch"/>.</param>
/// <param name="Count">How many.</param>
internal readonly record struct TokenArrival(long Ticks, int Count);
