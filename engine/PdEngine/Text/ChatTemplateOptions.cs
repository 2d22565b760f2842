using System.Text.Json;

namespace PdEngine;

/// <summary>
/// What a chat template gets besides the messages; the names are those of HF's <c>apply_chat_template</c>.
/// </summary>
public sealed record ChatTemplateOptions
{
    /// <summary>Whether the text ends with the header of the assistant's next message.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>Tools as a JSON array of OpenAI-shaped functions, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Documents for retrieval templates as a JSON array, or null.</summary>
    public JsonElement? Documents { get; init; }

    /// <summary>Text of the token that starts a sequence; null leaves <c>bos_token</c> undefined.</summary>
    public string? BosToken { get; init; }

    /// <summary>Text of the token that ends a sequence; null leaves <c>eos_token</c> undefined.</summary>
    public string? EosToken { get; init; }

    /// <summary>Text of the padding token; null leaves <c>pad_token</c> undefined.</summary>
    public string? PadToken { get; init; }

    /// <summary>Text of the unknown token; null leaves <c>unk_token</c> undefined.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>
    /// A JSON object of further variables, for example <c>{"enable_thinking": false}</c>, or null. They
    /// win over the tokens above and may not name what has a property of its own here.
    /// </summary>
    public JsonElement? Extra { get; init; }

    /// <summary>Clock that <c>strftime_now</c> reads, in its local time zone.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
