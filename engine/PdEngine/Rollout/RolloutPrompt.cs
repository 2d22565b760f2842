using System.Text.Json;

namespace PdEngine;

/// <summary>What samples are made of. Exactly one of <see cref="InputIds"/>, <see cref="Text"/> and
/// <see cref="Messages"/> is given.</summary>
public sealed record RolloutPrompt
{
    /// <summary>The prompt as token ids.</summary>
    public ReadOnlyMemory<int>? InputIds { get; init; }

    /// <summary>The prompt as text.</summary>
    public string? Text { get; init; }

    /// <summary>The prompt as a JSON array of chat messages, rendered by the model's chat template.</summary>
    public JsonElement? Messages { get; init; }

    /// <summary>What the environment and the rewards need to know of it, such as the right answer.</summary>
    public object? Label { get; init; }
}
