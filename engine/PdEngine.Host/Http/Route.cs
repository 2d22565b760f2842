using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>What a path does.</summary>
/// <param name="Methods">That it takes.</param>
/// <param name="Needs">Who may.</param>
/// <param name="Answer">Does it.</param>
internal sealed record Route(string[] Methods, Access Needs, Func<HttpCall, Task> Answer)
{
    /// <summary>It makes tokens: refused while the server ends.</summary>
    public bool IsWork { get; init; }

    /// <summary>Its body may be as long as weights are.</summary>
    public bool TakesWeights { get; init; }

    public static Route Get(Func<HttpCall, Task> answer, Access needs = Access.Ordinary) =>
        new([HttpMethods.Get, HttpMethods.Head], needs, answer);

    public static Route Post(Func<HttpCall, Task> answer, Access needs = Access.Ordinary) =>
        new([HttpMethods.Post], needs, answer);

    public static Route GetOrPost(Func<HttpCall, Task> answer, Access needs = Access.Ordinary) =>
        new([HttpMethods.Get, HttpMethods.Post], needs, answer);

    /// <summary>As SGLang has them.</summary>
    public static Route Work(Func<HttpCall, Task> answer) =>
        new([HttpMethods.Post, HttpMethods.Put], Access.Ordinary, answer) { IsWork = true };
}
