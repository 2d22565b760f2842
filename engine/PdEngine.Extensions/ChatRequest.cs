using System.Text.Json;
using Microsoft.Extensions.AI;

namespace PdEngine;

/// <summary>Makes an engine's request of a chat.</summary>
internal static class ChatRequest
{
    /// <exception cref="RequestException">Something that would change the answer is not there.</exception>
    public static GenerateRequest Of(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        options ??= new();
        Refuse(options.ResponseFormat is not (null or ChatResponseFormatText), "response format");
        Refuse(options.Reasoning is not null, "reasoning");
        SamplingParams defaults = new();
        List<ChatMessage> all = [.. messages];
        if (options.Instructions is { Length: > 0 } instructions)
            all.Insert(0, new(ChatRole.System, instructions));
        return new()
        {
            Messages = ChatJson.Of(json => ChatTurns.Write(json, all)),
            Tools = ChatTools.Of(options),
            SessionId = options.ConversationId,
            Sampling = defaults with
            {
                Temperature = options.Temperature ?? defaults.Temperature,
                TopP = options.TopP ?? defaults.TopP,
                TopK = options.TopK ?? defaults.TopK,
                FrequencyPenalty = options.FrequencyPenalty ?? defaults.FrequencyPenalty,
                PresencePenalty = options.PresencePenalty ?? defaults.PresencePenalty,
                MaxNewTokens = options.MaxOutputTokens ?? defaults.MaxNewTokens,
                SamplingSeed = options.Seed is { } seed ? (ulong)seed : null,
                Stop = options.StopSequences is { Count: > 0 } stop ? [.. stop] : defaults.Stop,
            },
        };
    }

    /// <exception cref="RequestException">It is asked for.</exception>
    public static void Refuse(bool isAsked, string what)
    {
        if (isAsked)
            throw new RequestException(what, "is not there in this client, and would change the answer");
    }
}
