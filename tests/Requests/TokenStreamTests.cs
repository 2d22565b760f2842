namespace PdEngine.Tests;

public sealed class TokenStreamTests
{
    [Test]
    public async Task A_late_reader_gets_everything_as_one_chunk()
    {
        TokenStream stream = new(new RequestId(1), _ => { });
        stream.Publish(5, -0.5f, "he");
        stream.Publish(6, -0.25f, "llo");
        stream.Complete(Finished(), "!");
        List<TokenChunk> chunks = [];
        await foreach (TokenChunk chunk in stream)
            chunks.Add(chunk);
        Assert.That(chunks, Has.Count.EqualTo(1));
        Assert.That(chunks[0].TokenIds, Is.EqualTo(new[] { 5, 6 }));
        Assert.That(chunks[0].LogProbs, Is.EqualTo(new[] { -0.5f, -0.25f }));
        Assert.That(chunks[0].Text, Is.EqualTo("hello!"));
    }

    [Test]
    public async Task A_reader_beside_a_writer_sees_every_token_once_and_in_order()
    {
        const int count = 20_000;
        TokenStream stream = new(new RequestId(1), _ => { });
        Task writer = Task.Run(() =>
        {
            for (int i = 0; i < count; i++)
                stream.Publish(i, null, "x");
            stream.Complete(Finished(), "");
        });
        List<int> seen = [];
        int characters = 0;
        await foreach (TokenChunk chunk in stream)
        {
            seen.AddRange(chunk.TokenIds);
            characters += chunk.Text.Length;
        }
        await writer;
        Assert.That(seen, Is.EqualTo(Enumerable.Range(0, count)));
        Assert.That(characters, Is.EqualTo(count));
    }

    [Test]
    public async Task A_waiting_reader_is_woken_every_so_many_tokens()
    {
        TokenStream stream = new(new RequestId(1), _ => { }, interval: 3);
        IAsyncEnumerator<TokenChunk> reader = stream.GetAsyncEnumerator();
        Task<bool> waiting = reader.MoveNextAsync().AsTask();
        stream.Publish(5, null, "");
        stream.Publish(6, null, "");
        Assert.That(waiting.IsCompleted, Is.False);
        stream.Publish(7, null, "");
        Assert.That(await waiting);
        Assert.That(reader.Current.TokenIds, Is.EqualTo(new[] { 5, 6, 7 }));
        waiting = reader.MoveNextAsync().AsTask();
        stream.Publish(8, null, "");
        stream.Complete(Finished(), "");
        Assert.That(await waiting);
        Assert.That(reader.Current.TokenIds, Is.EqualTo(new[] { 8 }));
        Assert.That(await reader.MoveNextAsync(), Is.False);
    }

    [Test]
    public async Task Cancelling_a_reader_aborts_the_request()
    {
        TaskCompletionSource<RequestId> aborted = new();
        TokenStream stream = new(new RequestId(7), aborted.SetResult);
        using CancellationTokenSource cancellation = new();
        Task reading = Task.Run(async () =>
        {
            await foreach (TokenChunk _ in stream.WithCancellation(cancellation.Token))
            {
            }
        });
        await cancellation.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => reading);
        Assert.That(await aborted.Task, Is.EqualTo(new RequestId(7)));
    }

    private static Generation Finished() => new()
    {
        Id = new RequestId(1), PromptIds = new[] { 1 }, OutputIds = [], Text = "",
        FinishReason = FinishReason.Stop, OutputLogProbs = [], InputLogProbs = [],
    };
}
