// Spring Security's oauth2Login, with what application.yaml says and sign-out at the provider.
package interop;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.OAuth2AuthorizationContext;
import org.springframework.security.oauth2.client.RefreshTokenOAuth2AuthorizedClientProvider;
import org.springframework.security.oauth2.client.annotation.RegisteredOAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.servlet.util.matcher.PathPatternRequestMatcher;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class App {
    public static void main(String[] args) {
        SpringApplication.run(App.class, args);
    }

    @Bean
    SecurityFilterChain security(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
        var out = new OidcClientInitiatedLogoutSuccessHandler(clients);
        out.setPostLogoutRedirectUri("{baseUrl}/bye");
        return http
            .authorizeHttpRequests(all -> all.requestMatchers("/bye").permitAll().anyRequest().authenticated())
            .oauth2Login(Customizer.withDefaults())
            .logout(logout -> logout
                .logoutRequestMatcher(PathPatternRequestMatcher.withDefaults().matcher("/logout"))
                .logoutSuccessHandler(out))
            .build();
    }

    @GetMapping("/")
    Map<String, Object> home(@AuthenticationPrincipal OidcUser user) {
        return user.getIdToken().getClaims();
    }

    // The library asks userinfo by itself while it signs in.
    @GetMapping("/userinfo")
    Map<String, Object> userinfo(@AuthenticationPrincipal OidcUser user) {
        return user.getUserInfo().getClaims();
    }

    @GetMapping("/refresh")
    Map<String, Object> refresh(@RegisteredOAuth2AuthorizedClient("gatehouse") OAuth2AuthorizedClient client, Authentication person) {
        var refresh = new RefreshTokenOAuth2AuthorizedClientProvider();
        refresh.setClockSkew(java.time.Duration.ofDays(1)); // takes the token for one that ended
        var again = refresh.authorize(OAuth2AuthorizationContext.withAuthorizedClient(client).principal(person).build());
        return Map.of("refreshed", !again.getAccessToken().getTokenValue().equals(client.getAccessToken().getTokenValue()));
    }

    @GetMapping("/bye")
    String bye() {
        return "bye";
    }
}
