using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace PdEngine;

/// <summary>
/// The engine as a chat client: messages and tools go through the checkpoint's chat template, and calls of
/// tools come back as such. Options that would change the answer and are not there are refused.
/// </summary>
/// <param name="hosted">The engine that answers.</param>
internal sealed class EngineChat(HostedEngine hosted) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new("pdengine");

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        GenerateRequest request = ChatRequest.Of(messages, options);
        EngineModel model = await ModelAsync(options, cancellationToken).ConfigureAwait(false);
        Generation answer = await model.GenerateAsync(request, cancellationToken).ConfigureAwait(false);
        ChatTools tools = new(options);
        List<AIContent> contents = [.. tools.Add(answer.Text), .. tools.End()];
        return new(new ChatMessage(ChatRole.Assistant, contents))
        {
            ResponseId = $"{answer.Id}", ModelId = model.Name,
            FinishReason = tools.ReasonOf(ReasonOf(answer)),
            Usage = UsageOf(answer), RawRepresentation = answer,
        };
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        GenerateRequest request = ChatRequest.Of(messages, options);
        EngineModel model = await ModelAsync(options, cancellationToken).ConfigureAwait(false);
        TokenStream stream = model.Stream(request);
        string id = $"{stream.Id}";
        ChatTools tools = new(options);
        try
        {
            await foreach (TokenChunk chunk in stream.WithCancellation(cancellationToken))
            {
                if (tools.Add(chunk.Text) is { Count: > 0 } contents)
                    yield return Update(id, model, contents);
            }
        }
        finally
        {
            stream.Abort();
        }
        Generation answer = await stream.Completion.ConfigureAwait(false);
        if (answer.Error is { } error)
            throw error;
        ChatResponseUpdate last = Update(id, model, [.. tools.End(), new UsageContent(UsageOf(answer))]);
        last.FinishReason = tools.ReasonOf(ReasonOf(answer));
        last.RawRepresentation = answer;
        yield return last;
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(HostedEngine) ? hosted
            : serviceType == typeof(Engine) ? hosted.Current
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Nothing: the engine is its host's.</summary>
    public void Dispose()
    {
    }

    private async Task<EngineModel> ModelAsync(ChatOptions? options, CancellationToken cancellationToken)
    {
        Engine engine = await hosted.GetAsync(cancellationToken).ConfigureAwait(false);
        return engine.Models.FirstOrDefault(model => model.Name == options?.ModelId) ?? engine.Models[0];
    }

    private static ChatResponseUpdate Update(string id, EngineModel model, IList<AIContent> contents) =>
        new(ChatRole.Assistant, contents) { ResponseId = id, MessageId = id, ModelId = model.Name };

    private static ChatFinishReason? ReasonOf(Generation answer) => answer.FinishReason switch
    {
        FinishReason.Stop => ChatFinishReason.Stop,
        FinishReason.Length => ChatFinishReason.Length,
        _ => null,
    };

    private static UsageDetails UsageOf(Generation answer) => new()
    {
        InputTokenCount = answer.PromptIds.Length,
        OutputTokenCount = answer.OutputIds.Count,
        TotalTokenCount = answer.PromptIds.Length + answer.OutputIds.Count,
        CachedInputTokenCount = answer.CachedTokens,
    };
}
