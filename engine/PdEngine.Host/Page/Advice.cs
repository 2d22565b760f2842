namespace PdEngine.Host;

/// <summary>What the numbers of a service say, and what to do about it.</summary>
/// <param name="Rule">Stable name of the rule that said it.</param>
/// <param name="IsUrgent">Requests fail, wait or are computed twice because of it.</param>
/// <param name="Says">The numbers, in words.</param>
/// <param name="Do">What to change.</param>
internal sealed record Advice(string Rule, bool IsUrgent, string Says, string Do);
