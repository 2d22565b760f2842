using System.Threading.Channels;

namespace PdEngine.Bench;

/// <summary>A request on its way through <see cref="LlamaServer"/>.</summary>
internal sealed class LlamaJob(ServingRequest request)
{
    public ServingRequest Request { get; } = request;

    /// <summary>Its tokens as they are made.</summary>
    public Channel<int> Output { get; } =
        Channel.CreateUnbounded<int>(
            new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    /// <summary>Prompt tokens that were in its slot already.</summary>
    public int CachedTokens { get; set; }

    public int OutputCount { get; set; }
}
