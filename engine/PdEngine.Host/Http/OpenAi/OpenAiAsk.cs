namespace PdEngine.Host;

/// <summary>What an OpenAI-shaped body asks for.</summary>
/// <param name="Bodies">One for each prompt.</param>
/// <param name="ModelName">As the client calls it.</param>
/// <param name="Streams">Answered as it is made.</param>
/// <param name="SendsUsage">A stream ends with what was used.</param>
/// <param name="TopCount">Most likely tokens with each log-prob; null without log-probs.</param>
/// <param name="ToolNames">Tools that may be called; empty where none may.</param>
internal sealed record OpenAiAsk(
    IReadOnlyList<GenerateBody> Bodies, string ModelName, bool Streams, bool SendsUsage, int? TopCount,
    IReadOnlySet<string> ToolNames);
