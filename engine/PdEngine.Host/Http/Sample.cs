namespace PdEngine.Host;

/// <summary>One generation of a request.</summary>
/// <param name="RequestName">The request's <c>rid</c>.</param>
/// <param name="Name">Its own, in <c>meta_info.id</c>.</param>
/// <param name="Body">What it was asked with.</param>
/// <param name="Stream">Its output.</param>
/// <param name="Index">Its number in the answer; null where it is alone.</param>
internal sealed record Sample(
    string RequestName, string Name, GenerateBody Body, TokenStream Stream, int? Index);
